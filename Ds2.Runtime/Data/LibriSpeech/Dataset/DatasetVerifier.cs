using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech.Dataset;

/// <summary>How a file of a data set is not as it was prepared.</summary>
public enum DatasetFaultKind
{
    /// <summary>The list has it, the disk has not.</summary>
    Missing,

    /// <summary>The disk has it, the list has not.</summary>
    Extra,

    /// <summary>Its bytes are others, or cannot be read.</summary>
    Changed,
}

/// <summary>A file that is not as it was prepared.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Path">The file, relative to the data set's folder.</param>
public readonly record struct DatasetFault(DatasetFaultKind Kind, string Path);

/// <summary>Holds every file of a data set against its list of checksums.</summary>
public static class DatasetVerifier
{
    private const int BlockBytes = 256 * 1024;

    /// <summary>Reads the whole data set, on all cores.</summary>
    /// <remarks>The folder <see cref="Download.LibriSpeechDownload.WorkFolder"/>, where a download keeps what is not finished, is not looked at.</remarks>
    /// <param name="folder">The data set.</param>
    /// <param name="progress">Hears of the bytes read.</param>
    /// <param name="cancellation">Stops between blocks.</param>
    /// <returns>All faults, in the order of their paths; none if the data set is whole.</returns>
    /// <exception cref="InputException">There is no data set, or it has no list.</exception>
    public static IReadOnlyList<DatasetFault> Verify(string folder, IWorkProgress? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!Directory.Exists(folder))
            throw new InputException($"{folder}: no such folder");
        ChecksumList list;
        try
        {
            list = ChecksumList.TryRead(folder)
                ?? throw new InputException($"{folder}: has no {ChecksumList.FileName}; data-scripts/download_dataset.sh or 'prepare' writes it when all is done");
        }
        catch (InputException) when (File.Exists(Path.Combine(folder, ChecksumList.FileName)))
        {
            // The list is a file of the data set too; without it nothing is known of the others.
            return [new DatasetFault(DatasetFaultKind.Changed, ChecksumList.FileName)];
        }

        Dictionary<string, long> onDisk = FilesOf(folder, list);
        var faults = new ConcurrentBag<DatasetFault>();
        foreach (string name in onDisk.Keys.Where(name => !list.Files.ContainsKey(name)))
            faults.Add(new DatasetFault(DatasetFaultKind.Extra, name));
        foreach (string name in list.Files.Keys.Where(name => !onDisk.ContainsKey(name)))
            faults.Add(new DatasetFault(DatasetFaultKind.Missing, name));

        KeyValuePair<string, string>[] present = [.. list.Files.Where(file => onDisk.ContainsKey(file.Key))];
        using IWorkItem item = (progress ?? NoProgress.Instance).Begin("verifying", present.Sum(file => onDisk[file.Key]), WorkUnit.Bytes);
        Parallel.ForEach(present, new ParallelOptions { CancellationToken = cancellation }, file =>
        {
            if (TryDigest(Path.Combine(folder, file.Key), item, cancellation) != file.Value)
                faults.Add(new DatasetFault(DatasetFaultKind.Changed, file.Key));
        });
        return [.. faults.OrderBy(fault => fault.Path, StringComparer.Ordinal)];
    }

    /// <summary>The files that are there with their lengths. A link to a folder is followed where the list has files below it, as where a set was moved to another disk; others are extra themselves.</summary>
    private static Dictionary<string, long> FilesOf(string folder, ChecksumList list)
    {
        var listed = new HashSet<string>(StringComparer.Ordinal);
        foreach (string name in list.Files.Keys)
        {
            for (int end = name.LastIndexOf('/'); end > 0 && listed.Add(name[..end]);)
                end = name.LastIndexOf('/', end - 1);
        }
        string NameOf(string path) => Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/');
        FolderTree tree = FolderTree.Of(folder, link => listed.Contains(NameOf(link)));
        var files = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (string path in tree.Files.Concat(tree.Links))
        {
            string name = NameOf(path);
            var file = new FileInfo(path);
            if (name != ChecksumList.FileName && !$"{name}/".StartsWith(Download.LibriSpeechDownload.WorkFolder + "/", StringComparison.Ordinal))
                files[name] = file.Exists ? file.Length : 0; // a link to nowhere has no length
        }
        return files;
    }

    private static string? TryDigest(string path, IWorkItem item, CancellationToken cancellation)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
            for (int count; (count = file.Read(block)) > 0;)
            {
                cancellation.ThrowIfCancellationRequested();
                hash.AppendData(block, 0, count);
                item.Advance(count);
            }
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }
}
