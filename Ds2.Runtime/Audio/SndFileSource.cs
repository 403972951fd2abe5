using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>A file that libsndfile decodes, with all recordings that were joined in it.</summary>
/// <remarks>Of a 16-bit FLAC file the samples are held against the MD5 sum in its header: each frame's own 16-bit checksum lets one damage in 65536 pass.</remarks>
internal sealed class SndFileSource : SampleSource
{
    /// <summary>SF_FORMAT_FLAC | SF_FORMAT_PCM_16.</summary>
    private const int Flac16 = 0x170002;
    private const int FormatMask = 0x0FFFFFFF;
    private const int BlockFrames = 4096;

    private readonly string path;
    private readonly IReadOnlyList<SoundPart> parts;
    private SndFileRange? range;
    private nint handle;
    private SndFile.Info info;
    private IncrementalHash? hash;
    private short[] encoded = [];
    private float[] floats = [];
    private long? expected;
    private int part;
    private long done, doneBefore;

    private SndFileSource(string path, IReadOnlyList<SoundPart> parts)
    {
        (this.path, this.parts) = (path, parts);
    }

    public override int SampleRate => info.SampleRate;

    /// <summary>Samples in all; null where only the end tells.</summary>
    public long? Length => parts.Count > 1 ? null : expected;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="parts">What is joined in it; none for a file that is read as it is.</param>
    /// <param name="reason">Why not.</param>
    /// <returns>Null where the library does not know the format.</returns>
    /// <exception cref="InputException">The file is damaged.</exception>
    public static SndFileSource? TryOpen(string path, IReadOnlyList<SoundPart> parts, out string? reason)
    {
        var source = new SndFileSource(path, parts);
        try
        {
            if (source.TryOpenPart(out reason))
                return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
        source.Dispose();
        return null;
    }

    /// <summary>Reads to the end, to know how many samples there are.</summary>
    public long Count()
    {
        long count = 0;
        var block = new float[BlockFrames];
        for (int got; (got = Read(block)) > 0;)
            count += got;
        return count;
    }

    public override int Read(Span<float> samples)
    {
        while (true)
        {
            int wanted = (int)Math.Min(Math.Min(samples.Length, BlockFrames), (expected ?? long.MaxValue) - done);
            int got = wanted == 0 ? 0 : hash is null ? ReadAsFloats(samples[..wanted]) : ReadFlac(samples[..wanted], hash);
            if (got > 0)
            {
                WavReader.RequireFinite(samples[..got], path, doneBefore + done);
                done += got;
                return got;
            }
            CheckEnd();
            if (part + 1 >= parts.Count)
                return 0;
            OpenNextPart();
        }
    }

    public override void Dispose() => ClosePart();

    private bool TryOpenPart(out string? reason)
    {
        range = parts.Count > 0 ? new SndFileRange(path, parts[part]) : null;
        handle = SndFile.TryOpen(path, range, out info, out reason);
        if (handle == 0)
            return false;
        // Of Ogg whose last page does not say where it ends, the library says the largest number that there is.
        expected = parts.Count == 0 || parts[part].SaysLength ? (info.Frames == long.MaxValue ? null : info.Frames) : parts[part].Samples;
        if ((info.Format & FormatMask) == Flac16)
        {
            hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
            encoded = new short[BlockFrames * info.Channels];
        }
        else
        {
            floats = new float[BlockFrames * info.Channels];
        }
        return true;
    }

    private void OpenNextPart()
    {
        ClosePart();
        int rate = info.SampleRate;
        part++;
        (done, doneBefore) = (0, doneBefore + done);
        if (!TryOpenPart(out string? reason))
            throw new InputException($"{path}: the recording that begins at byte {parts[part].Offset} of it cannot be read: {reason}");
        if (info.SampleRate != rate)
            throw new InputException($"{path}: recordings of {rate} and {info.SampleRate} Hz are joined in it; make one of them (ffmpeg -i FILE FILE.flac)");
    }

    private void ClosePart()
    {
        if (handle != 0)
            _ = SndFile.Close(handle);
        handle = 0;
        range?.Dispose();
        range = null;
        hash?.Dispose();
        hash = null;
    }

    /// <summary>A damaged file may fail in the middle, with the frames so far already delivered.</summary>
    private void CheckEnd()
    {
        if (range?.Fault is { } fault)
            InputFile.Guard<int>(path, () => throw fault);
        if (SndFile.Error(handle) != 0 || done < expected)
            throw SoundPart.Damaged(path, (double)(doneBefore + done) / info.SampleRate, (double?)(doneBefore + expected) / info.SampleRate);
        if (hash is null)
            return;
        UInt128 md5 = BinaryPrimitives.ReadUInt128BigEndian(hash.GetCurrentHash());
        if (FlacHeader.TryRead(path, parts.Count > 0 ? parts[part].Offset : 0) is { Md5: var said } && said != 0 && said != md5)
            throw new InputException($"{path}: damaged: the samples do not have the MD5 sum that the FLAC header says");
    }

    private int ReadFlac(Span<float> samples, IncrementalHash sum)
    {
        int channels = info.Channels, got = Math.Max(0, (int)SndFile.ReadShorts(handle, encoded, samples.Length));
        Span<short> block = encoded.AsSpan(0, got * channels);
        for (int i = 0; i < got; i++)
        {
            int all = 0;
            for (int c = 0; c < channels; c++)
                all += block[i * channels + c];
            samples[i] = (float)(all / (32768.0 * channels));
        }
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(block, block);
        sum.AppendData(MemoryMarshal.AsBytes(block));
        return got;
    }

    private int ReadAsFloats(Span<float> samples)
    {
        int channels = info.Channels, got = Math.Max(0, (int)SndFile.ReadFrames(handle, floats, samples.Length));
        for (int i = 0; i < got; i++)
        {
            double sum = 0;
            for (int c = 0; c < channels; c++)
                sum += floats[i * channels + c];
            samples[i] = (float)(sum / channels);
        }
        return got;
    }
}
