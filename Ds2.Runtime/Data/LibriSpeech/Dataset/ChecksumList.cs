using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech.Dataset;

/// <summary>The SHA-256 sums of a prepared data set: the file <c>checksums.sha256</c> in its folder.</summary>
/// <remarks>
/// Lines as sha256sum writes and checks them, in the order of their paths, which are relative to the folder; before them a comment for each archive
/// that the data came from; at the end a comment with the sum of all lines above it, so that a change of the list itself is found too:
/// <code>
/// # archive SHA256  dev-clean.tar.gz
/// SHA256  libri_dev-clean_manifest.csv
/// SHA256  val/txt/84-121123-0000.txt
/// # sha256 SHA256
/// </code>
/// </remarks>
public sealed class ChecksumList
{
    /// <summary>The file's name.</summary>
    public const string FileName = "checksums.sha256";

    private const string ArchiveMark = "# archive ", EndMark = "# sha256 ";
    private const int DigestLength = 2 * SHA256.HashSizeInBytes;
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    /// <summary>Of each archive, by name, the sum: lower-case hexadecimal digits.</summary>
    public SortedDictionary<string, string> Archives { get; } = new(StringComparer.Ordinal);

    /// <summary>Of each file, by its path with slashes, the sum.</summary>
    public SortedDictionary<string, string> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Reads a data set's list, or returns null where it has none.</summary>
    /// <param name="folder">The data set.</param>
    /// <exception cref="InputException">The list is damaged.</exception>
    public static ChecksumList? TryRead(string folder)
    {
        string path = Path.Combine(folder, FileName);
        return File.Exists(path) ? Parse(InputFile.ReadBytes(path), path) : null;
    }

    /// <summary>Writes the list in one step. The bytes depend on the entries alone.</summary>
    /// <param name="folder">The data set.</param>
    public void Write(string folder)
    {
        var text = new StringBuilder();
        foreach ((string name, string digest) in Archives)
            text.Append(ArchiveMark).Append(digest).Append("  ").Append(name).Append('\n');
        foreach ((string name, string digest) in Files)
            text.Append(digest).Append("  ").Append(name).Append('\n');
        byte[] lines = Encoding.UTF8.GetBytes(text.ToString());
        byte[] end = Encoding.ASCII.GetBytes($"{EndMark}{Digest(lines)}\n");
        AtomicFile.Write(Path.Combine(folder, FileName), stream =>
        {
            stream.Write(lines);
            stream.Write(end);
        });
    }

    /// <summary>Whether a text is a SHA-256 sum as this list writes it.</summary>
    /// <param name="text">Any text.</param>
    public static bool IsDigest(ReadOnlySpan<char> text) => text.Length == DigestLength && !text.ContainsAnyExcept(HexDigits);

    internal static string Digest(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static ChecksumList Parse(byte[] bytes, string path)
    {
        int end = bytes.AsSpan(0, Math.Max(bytes.Length - 1, 0)).LastIndexOf((byte)'\n') + 1;
        if (!bytes.AsSpan(end).SequenceEqual(Encoding.ASCII.GetBytes($"{EndMark}{Digest(bytes.AsSpan(0, end))}\n")))
            throw new InputException($"{path}: damaged: its last line is not the sum of the lines above");
        var list = new ChecksumList();
        int number = 0;
        foreach (string line in Encoding.UTF8.GetString(bytes.AsSpan(0, end)).Split('\n').SkipLast(1))
        {
            number++;
            bool archive = line.StartsWith(ArchiveMark, StringComparison.Ordinal);
            string entry = archive ? line[ArchiveMark.Length..] : line;
            if (entry.Length < DigestLength + 3 || !IsDigest(entry.AsSpan(0, DigestLength)) || entry.AsSpan(DigestLength, 2) is not "  "
                || !IsInside(entry[(DigestLength + 2)..]))
                throw new InputException($"{path}: line {number}: expected 'SHA256  path'");
            (archive ? list.Archives : list.Files)[entry[(DigestLength + 2)..]] = entry[..DigestLength];
        }
        return list;
    }

    private static bool IsInside(string path) => !path.Split('/').Any(part => part is "" or "." or "..");
}
