using System.Formats.Tar;
using System.IO.Compression;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech.Download;

/// <summary>Unpacks an archive of LibriSpeech in one pass, as a stream.</summary>
internal static class ArchiveUnpacker
{
    /// <summary>What marks an unpacked split as whole: the sum of the archive that it came from.</summary>
    private const string Mark = "archive.sha256";

    /// <summary>Whether a split was unpacked to its end from an archive with this sum.</summary>
    public static bool IsUnpacked(string splitFolder, string digest)
    {
        string mark = Path.Combine(splitFolder, Mark);
        return File.Exists(mark) && InputFile.ReadText(mark) == digest;
    }

    /// <summary>Unpacks the files under LibriSpeech/SPLIT/; the archive's other files are left out.</summary>
    /// <remarks>Files come to lie beside their place first; the folder is renamed into it when the archive was read to the end, its sum was right and the
    /// disk has everything. A folder of that name is thus whole or not there.</remarks>
    /// <param name="archive">A gzip-compressed tar file.</param>
    /// <param name="what">Which it is meant to be.</param>
    /// <param name="splitFolder">The folder to make; an older one goes.</param>
    /// <param name="item">Hears of the compressed bytes that were read.</param>
    /// <param name="cancellation">Stops between blocks.</param>
    /// <exception cref="InputException">The archive is damaged or not the one it is meant to be, has a link or a path that leads elsewhere, or the disk is full.</exception>
    public static void Unpack(string archive, LibriSpeechArchive what, string splitFolder, IWorkItem item, CancellationToken cancellation)
    {
        string partial = splitFolder + AtomicFile.PartialSuffix;
        try
        {
            DeleteFolder(partial);
            DeleteFolder(splitFolder);
            Directory.CreateDirectory(partial);
            string digest = UnpackInto(partial, archive, what.Split, item, cancellation);
            if (digest != what.Digest)
                throw new InputException($"{archive}: has SHA-256 {digest}, expected {what.Digest}");
            File.WriteAllText(Path.Combine(partial, Mark), digest);
            DiskSync.Flush();
            Directory.Move(partial, splitFolder);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or EndOfStreamException)
        {
            throw new InputException($"{archive}: damaged: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{archive}: cannot be unpacked: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    public static void DeleteFolder(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
    }

    private static string UnpackInto(string folder, string archive, string split, IWorkItem item, CancellationToken cancellation)
    {
        using FileStream file = InputFile.Open(archive);
        using var hashing = new HashingStream(file, item, cancellation);
        using var gzip = new GZipStream(hashing, CompressionMode.Decompress, leaveOpen: true);
        using var tar = new TarReader(gzip, leaveOpen: true);
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.EntryType is TarEntryType.Directory or TarEntryType.GlobalExtendedAttributes)
                continue;
            if (entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile))
                throw new InputException($"{archive}: '{entry.Name}' is neither a file nor a folder ({entry.EntryType}); such an archive is not unpacked");
            if (Inside(entry.Name, archive) is not ["LibriSpeech", var top, .. { Length: > 0 } rest] || top != split)
                continue;
            string target = Path.Combine([folder, .. rest]);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            // A second entry of the same name is refused: CreateNew.
            using var output = new FileStream(target, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
            entry.DataStream?.CopyTo(output);
        }
        // The end of the tar is not the end of the file; padding counts in the sum.
        gzip.CopyTo(Stream.Null);
        return hashing.DigestToEnd();
    }

    /// <summary>The parts of an entry's path, none of which leads upwards.</summary>
    private static string[] Inside(string name, string archive)
    {
        string[] parts = [.. name.Split('/').SkipWhile(part => part == ".")];
        if (parts.Any(part => part is "" or "." or ".." || part.AsSpan().IndexOfAny('\0', '\\', ':') >= 0))
            throw new InputException($"{archive}: '{name}' leads out of the folder or is no path; such an archive is not unpacked");
        return parts;
    }
}
