using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.Batching;

/// <summary>A folder that keeps extracted features for the runs to come; several runs may share it.</summary>
/// <remarks>
/// <para>
/// An entry is a file named after the SHA-256 of what decides its content: the recording's full path and <see cref="FileStamp"/> (of what a link leads to, and by a time that
/// no copying sets back), the kind of features, the version of the code that extracts them, and the width of the machine's vectors, on which their last bits depend. Both kinds of MFCC share
/// the 13 coefficients.
/// </para>
/// <para>
/// Layout: 8 bytes of magic, the 32 bytes of the name, rows and frames as little-endian int32, the values as little-endian float32, the SHA-256 of all before. An entry in which anything
/// is wrong counts as absent. It is written under a name of its own and renamed into place, so that nobody meets half of one and two runs that
/// store the same do not meet at all. Nothing is flushed: the checksum finds what a power failure left behind, and the features can be had again.
/// </para>
/// </remarks>
public sealed class FeatureStore
{
    private const int HeaderBytes = 48, DigestBytes = SHA256.HashSizeInBytes;
    private const string PartialFolder = "partial";
    private static readonly TimeSpan Abandoned = TimeSpan.FromDays(1);

    private readonly string folder;
    private readonly Action<string> note;
    private int storing = 1, hits, stored, damaged;

    /// <summary>Opens a folder, or makes it.</summary>
    /// <param name="folder">The folder. Whatever is in it may be deleted at any time.</param>
    /// <param name="note">Told, in a line each, of damaged entries and of what keeps new ones from being stored; from several threads.</param>
    /// <exception cref="InputException">It cannot be written to.</exception>
    public FeatureStore(string folder, Action<string>? note = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        this.folder = folder;
        this.note = note ?? (_ => { });
        try
        {
            Directory.CreateDirectory(Path.Combine(folder, PartialFolder));
            foreach (string left in Directory.EnumerateFiles(Path.Combine(folder, PartialFolder)).Where(file => File.GetLastWriteTimeUtc(file) < DateTime.UtcNow - Abandoned))
                File.Delete(left);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{folder}: the feature cache cannot be written: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    /// <summary>Features that were found.</summary>
    public int Hits => hits;

    /// <summary>Features that were computed and stored.</summary>
    public int Stored => stored;

    /// <summary>Entries that were there and could not be trusted.</summary>
    public int Damaged => damaged;

    /// <summary>What <see cref="FeatureExtractor.FromFile"/> gives for a file, to the bit: from the folder, or computed and stored there.</summary>
    /// <remarks>Files that hold coefficients already are read themselves. Thread-safe.</remarks>
    /// <param name="path">The recording.</param>
    /// <param name="extractor">What to extract.</param>
    /// <exception cref="InputException">The recording cannot be read.</exception>
    public FeatureMatrix FromFile(string path, FeatureExtractor extractor)
    {
        ArgumentNullException.ThrowIfNull(extractor);
        // Where there is no telling whether a file is still the one that was read, its reader says why.
        if (CoefficientFile.IsOne(path) || FileStamp.Of(path) is not { } stamp)
            return extractor.FromFile(path);
        byte[] key = Key(path, stamp, extractor.Analysis);
        string name = Convert.ToHexStringLower(key);
        string entry = Path.Combine(folder, name[..2], name);
        if (Find(entry, key) is { } found)
        {
            Interlocked.Increment(ref hits);
            return extractor.Render(found);
        }

        (FeatureMatrix analyzed, FeatureMatrix features) = extractor.AnalyzeFile(path);
        Store(entry, key, analyzed);
        return features;
    }

    private static byte[] Key(string path, FileStamp stamp, string analysis) =>
        SHA256.HashData(Encoding.UTF8.GetBytes($"{analysis}\n{FeatureExtractor.Version}\n{Vector<byte>.Count}\n{stamp.Bytes}\n{stamp.Changed}\n{Path.GetFullPath(path)}"));

    private FeatureMatrix? Find(string entry, byte[] key)
    {
        byte[] bytes;
        try
        {
            if (!File.Exists(entry))
                return null;
            bytes = File.ReadAllBytes(entry);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null; // deleted just now
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Distrust(entry, e.Message);
        }

        if (Decode(bytes, key) is { } features)
            return features;
        return Distrust(entry, "damaged");
    }

    private FeatureMatrix? Distrust(string entry, string why)
    {
        Interlocked.Increment(ref damaged);
        note($"{entry}: {why}; the features are computed again");
        return null;
    }

    private void Store(string entry, byte[] key, FeatureMatrix features)
    {
        if (Volatile.Read(ref storing) == 0)
            return;
        string partial = Path.Combine(folder, PartialFolder, Guid.NewGuid().ToString("N"));
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(entry)!);
            File.WriteAllBytes(partial, Encode(key, features));
            File.Move(partial, entry, overwrite: true);
            Interlocked.Increment(ref stored);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A cache that cannot grow, on a full disk say, is no reason to end a run: it goes on without.
            if (Interlocked.Exchange(ref storing, 0) == 1)
                note($"{folder}: nothing more is stored in the feature cache: {e.Message.ReplaceLineEndings(" ")}");
            if (File.Exists(partial))
                File.Delete(partial);
        }
    }

    private static ReadOnlySpan<byte> Magic => "DS2FEAT1"u8;

    private static byte[] Encode(byte[] key, FeatureMatrix features)
    {
        var bytes = new byte[checked(HeaderBytes + sizeof(float) * features.Values.Length + DigestBytes)];
        Magic.CopyTo(bytes);
        key.CopyTo(bytes, Magic.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(40), features.Rows);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(44), features.Frames);
        MemoryMarshal.AsBytes(features.Values.AsSpan()).CopyTo(bytes.AsSpan(HeaderBytes));
        SHA256.HashData(bytes.AsSpan(..^DigestBytes), bytes.AsSpan(^DigestBytes..));
        return bytes;
    }

    private static FeatureMatrix? Decode(ReadOnlySpan<byte> bytes, byte[] key)
    {
        if (bytes.Length < HeaderBytes + DigestBytes)
            return null;
        Span<byte> digest = stackalloc byte[DigestBytes];
        SHA256.HashData(bytes[..^DigestBytes], digest);
        if (!bytes[^DigestBytes..].SequenceEqual(digest) || !bytes.StartsWith(Magic) || !bytes.Slice(Magic.Length, key.Length).SequenceEqual(key))
            return null;
        int rows = BinaryPrimitives.ReadInt32LittleEndian(bytes[40..]), frames = BinaryPrimitives.ReadInt32LittleEndian(bytes[44..]);
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(bytes[HeaderBytes..^DigestBytes]);
        return values.Length == (long)rows * frames ? new FeatureMatrix(values.ToArray(), rows, frames) : null;
    }
}
