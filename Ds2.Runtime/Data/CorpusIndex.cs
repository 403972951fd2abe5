using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Ds2.Runtime.Files;
using Microsoft.Win32.SafeHandles;

namespace Ds2.Runtime.Data;

/// <summary>A file that keeps what was read of a manifest's recordings and transcripts, so that the next start only looks whether these are still the same.</summary>
/// <remarks>
/// It stands beside the manifest, or in the user's cache folder where nothing can be written there; it may be deleted at any time. Layout, in the machine's byte order: magic, version, blocks, where each
/// block starts and the last ends (int64), SHA-256 of all that; then for each block the SHA-256 of its lines' paths, the block (<see cref="IndexBlock"/>), and the SHA-256 of both. What is damaged, or of other
/// paths, counts as absent, block by block: lines added at a manifest's end leave what is known of those before.
/// </remarks>
internal sealed class CorpusIndex : IDisposable
{
    /// <summary>To be raised when the layout changes, or what the reading of a header gives.</summary>
    private const int Version = 1;

    private const int Digest = SHA256.HashSizeInBytes, FixedHeader = 16, MostBlocks = 1 << 20;

    private readonly SafeFileHandle file;
    private readonly long[] starts;

    private CorpusIndex(SafeFileHandle file, long[] starts) => (this.file, this.starts) = (file, starts);

    private static ReadOnlySpan<byte> Magic => "DS2INDEX"u8;

    /// <summary>How many blocks it has.</summary>
    public int Blocks => starts.Length - 1;

    /// <summary>Opens the newest index of a manifest; null where there is none.</summary>
    public static CorpusIndex? Open(string manifest)
    {
        foreach (string place in Places(manifest).Where(File.Exists).OrderByDescending(File.GetLastWriteTimeUtc))
        {
            try
            {
                if (TryOpen(place) is { } index)
                    return index;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Just replaced or removed, or somebody else's: the next place, or none.
            }
        }
        return null;
    }

    /// <summary>The digest that a block is found by: of its lines' paths.</summary>
    public static byte[] KeyOf(IEnumerable<ManifestEntry> lines)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ManifestEntry line in lines)
        {
            hash.AppendData(MemoryMarshal.AsBytes(line.AudioPath.AsSpan()));
            hash.AppendData("\n\0"u8);
            hash.AppendData(MemoryMarshal.AsBytes(line.TextPath.AsSpan()));
            hash.AppendData("\n\0"u8);
        }
        return hash.GetHashAndReset();
    }

    /// <summary>A block, if it is whole and of these paths. Threads may call it at once.</summary>
    /// <param name="block">Its number.</param>
    /// <param name="key">What its paths must have as <see cref="KeyOf"/>.</param>
    /// <param name="lines">How many there are.</param>
    public IndexBlock? Find(int block, ReadOnlySpan<byte> key, int lines)
    {
        if (block >= Blocks)
            return null;
        try
        {
            return TryRead(file, starts[block], starts[block + 1] - starts[block]) is { } bytes && bytes.AsSpan().StartsWith(key)
                ? IndexBlock.Parse(bytes[Digest..^Digest], lines)
                : null;
        }
        catch (IOException)
        {
            return null; // on a disk that fails, the files themselves may still be read
        }
    }

    /// <summary>Writes the index of a manifest, at the first place where that can be done.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="blocks">Keys and blocks.</param>
    /// <returns>Null, or why it could not be written.</returns>
    public static string? Write(string manifest, IReadOnlyList<(byte[] Key, IndexBlock Block)> blocks)
    {
        string why = "";
        foreach (string place in Places(manifest))
        {
            try
            {
                AtomicFile.Write(place, stream => Write(stream, blocks));
                return null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                why = $"{place}: cannot be written, so that the next start takes as long as this one: {e.Message.ReplaceLineEndings(" ")}";
            }
        }
        return why;
    }

    public void Dispose() => file.Dispose();

    private static IEnumerable<string> Places(string manifest)
    {
        string full = Path.GetFullPath(manifest), name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(full)).AsSpan(0, 16));
        return [full + CorpusOptions.IndexSuffix, Path.Combine(UserCache.Folder, name + CorpusOptions.IndexSuffix)];
    }

    private static CorpusIndex? TryOpen(string place)
    {
        SafeFileHandle file = File.OpenHandle(place);
        CorpusIndex? index = null;
        try
        {
            var head = new byte[FixedHeader];
            if (RandomAccess.Read(file, head, 0) < head.Length || !head.AsSpan().StartsWith(Magic) || MemoryMarshal.Read<int>(head.AsSpan(8)) != Version)
                return null;
            int blocks = MemoryMarshal.Read<int>(head.AsSpan(12));
            if (blocks is < 1 or > MostBlocks || TryRead(file, 0, FixedHeader + sizeof(long) * (blocks + 1L) + Digest) is not { } header)
                return null;
            long[] starts = MemoryMarshal.Cast<byte, long>(header.AsSpan(FixedHeader..^Digest)).ToArray();
            return index = RandomAccess.GetLength(file) == starts[^1] ? new CorpusIndex(file, starts) : null;
        }
        finally
        {
            if (index is null)
                file.Dispose();
        }
    }

    /// <summary>Bytes of the file, of which the last are the SHA-256 of the others; null where they are not.</summary>
    private static byte[]? TryRead(SafeFileHandle file, long start, long length)
    {
        if (length is < 2 * Digest or > int.MaxValue)
            return null;
        var bytes = new byte[length];
        for (int done = 0; done < bytes.Length;)
        {
            int got = RandomAccess.Read(file, bytes.AsSpan(done), start + done);
            if (got == 0)
                return null;
            done += got;
        }
        return bytes.AsSpan(^Digest..).SequenceEqual(SHA256.HashData(bytes.AsSpan(..^Digest))) ? bytes : null;
    }

    private static void Write(Stream stream, IReadOnlyList<(byte[] Key, IndexBlock Block)> blocks)
    {
        var starts = new long[blocks.Count + 1];
        starts[0] = FixedHeader + sizeof(long) * (long)starts.Length + Digest;
        for (int i = 0; i < blocks.Count; i++)
            starts[i + 1] = starts[i] + Digest + blocks[i].Block.Bytes.Length + Digest;
        WriteWithDigest(stream, [.. Magic, .. MemoryMarshal.AsBytes<int>(new[] { Version, blocks.Count }), .. MemoryMarshal.AsBytes<long>(starts)]);
        foreach ((byte[] key, IndexBlock block) in blocks)
            WriteWithDigest(stream, [.. key, .. block.Bytes]);
    }

    private static void WriteWithDigest(Stream stream, ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        stream.Write(SHA256.HashData(bytes));
    }
}
