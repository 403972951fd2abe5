using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>libsndfile, which decodes FLAC and some twenty other formats.</summary>
internal static partial class SndFile
{
    private const string Library = "libsndfile.so.1";
    private const int ReadMode = 0x10;

    /// <summary>SF_FORMAT_FLAC | SF_FORMAT_PCM_16.</summary>
    private const int Flac16 = 0x170002;
    private const int FormatMask = 0x0FFFFFFF;
    private const int BlockFrames = 4096;

    /// <summary>FLAC, WAV and its 64-bit (RF64, W64's "riff") and big-endian kin, Ogg, AIFF, AU of both byte orders, SPHERE, VOC, CAF; MP3 has no magic, or ID3's.</summary>
    private static readonly string[] Magics = ["fLaC", "RIFF", "RIFX", "RF64", "riff", "OggS", "FORM", ".snd", "dns.", "NIST", "Crea", "caff"];

    /// <summary>Half a minute at 16 kHz: nearly all utterances fit at once.</summary>
    private const int FirstFrames = 1 << 19;

    /// <summary>Whether the library is installed.</summary>
    public static bool IsAvailable => Available.Value;

    private static readonly Lazy<bool> Available = new(() => NativeLibrary.TryLoad(Library, out _));

    /// <summary>Reads a whole file at its own rate, its channels mixed to one by their mean. Memory grows with what is decoded: a damaged header may say anything.</summary>
    /// <exception cref="InputException">As <see cref="OpenSource"/>; or the samples are more than fit into memory.</exception>
    public static AudioClip Read(string path)
    {
        using Source source = OpenSource(path);
        long frames = source.Length!.Value;
        if (frames > Array.MaxLength)
            throw new InputException($"{path}: {frames} samples a channel are more than fit into memory at once");
        var samples = new float[Math.Min(frames, FirstFrames)];
        for (int done = 0; ;)
        {
            // At the end one sample more is asked for: the reader checks what only the end tells.
            if (done == samples.Length && done < frames)
                Array.Resize(ref samples, (int)Math.Min(frames, 2L * done));
            int got = source.Read(samples.AsSpan(done));
            if (got == 0)
                return new AudioClip(samples, source.SampleRate);
            done += got;
        }
    }

    /// <summary>Opens a file to be read in blocks.</summary>
    /// <remarks>Of a 16-bit FLAC file the samples are held against the MD5 sum in its header: each frame's own 16-bit checksum lets one damage in 65536 pass.</remarks>
    /// <exception cref="InputException">The library is absent, or does not like the file; later, its samples are not those that were encoded, or no finite numbers.</exception>
    public static Source OpenSource(string path) => new(Open(path, out Info info), info, path);

    /// <summary>Whether a file holds text, so that no decoder need be asked.</summary>
    public static bool HoldsText(string path)
    {
        using HeaderStream file = HeaderStream.Open(path);
        return TextIn(file.Start) is not null;
    }

    /// <summary>Samples of each channel and their rate, where the format's header is none that Ds2 reads itself.</summary>
    public static (long Samples, int Rate) Length(string path)
    {
        nint handle = Open(path, out Info info);
        _ = Close(handle);
        return (info.Frames, info.SampleRate);
    }

    /// <summary>Whether a file begins as one of the formats that say what they are. At others libsndfile guesses, MP3 most of all, and a decoder that was
    /// given a damaged WAV complains on stderr in many lines.</summary>
    private static bool SaysItsFormat(ReadOnlySpan<byte> start)
    {
        string magic = Encoding.Latin1.GetString(start[..Math.Min(start.Length, 4)]);
        return Magics.Contains(magic) || magic.StartsWith("ID3", StringComparison.Ordinal) || start.Length >= 2 && start[0] == 0xFF && start[1] is >= 0xE2 and < 0xFF;
    }

    /// <summary>What a file holds that was downloaded or named wrongly: an error page in place of a recording, most of all.</summary>
    private static string? TextIn(ReadOnlySpan<byte> bytes)
    {
        string start = Encoding.Latin1.GetString(bytes).TrimStart('\u00EF', '\u00BB', '\u00BF', ' ', '\t', '\r', '\n');
        return start.StartsWith("<!DOCTYPE html", StringComparison.OrdinalIgnoreCase) || start.StartsWith("<html", StringComparison.OrdinalIgnoreCase) ? "an HTML page"
            : start.StartsWith("<?xml", StringComparison.Ordinal) || start.StartsWith("<Error", StringComparison.Ordinal) ? "XML"
            : start.StartsWith('{') && start.Contains('"', StringComparison.Ordinal) ? "JSON"
            : start.StartsWith("version https://git-lfs", StringComparison.Ordinal) ? "a pointer of Git LFS (git lfs pull fetches the file)"
            : null;
    }

    private static nint Open(string path, out Info info)
    {
        using HeaderStream file = HeaderStream.Open(path);
        if (TextIn(file.Start) is { } text)
            throw new InputException($"{path}: holds {text}, not sound");
        if (!IsAvailable)
            throw new InputException($"{path}: this format needs libsndfile, which is not installed (on Debian: apt-get install libsndfile1)");
        if (!SaysItsFormat(file.Start))
            throw new InputException($"{path}: not an audio file that can be read: it begins like none of a known format");
        info = default;
        nint handle = Open(path, ReadMode, ref info);
        if (handle == 0)
        {
            string reason = Marshal.PtrToStringUTF8(ErrorText(0)) ?? "unknown error";
            throw new InputException($"{path}: not an audio file that can be read: {reason.Trim().TrimEnd('.')}");
        }
        if (info.Channels > 0 && info.Frames >= 0 && AudioFile.IsRate(info.SampleRate))
            return handle;
        _ = Close(handle);
        throw new InputException($"{path}: damaged: {info.Frames} samples of {info.Channels} channels at {info.SampleRate} Hz");
    }

    /// <summary>An open file.</summary>
    internal sealed class Source : SampleSource
    {
        private readonly nint handle;
        private readonly Info info;
        private readonly string path;
        private readonly IncrementalHash? hash;
        private readonly short[] encoded = [];
        private readonly float[] floats = [];
        private long done;

        internal Source(nint handle, Info info, string path)
        {
            (this.handle, this.info, this.path) = (handle, info, path);
            if ((info.Format & FormatMask) == Flac16)
            {
                hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
                encoded = new short[BlockFrames * info.Channels];
            }
            else
            {
                floats = new float[BlockFrames * info.Channels];
            }
        }

        public override int SampleRate => info.SampleRate;

        public override long? Length => info.Frames;

        public override int Read(Span<float> samples)
        {
            int wanted = (int)Math.Min(Math.Min(samples.Length, BlockFrames), info.Frames - done);
            int got = wanted == 0 ? 0 : hash is null ? ReadAsFloats(samples[..wanted]) : ReadFlac(samples[..wanted], hash);
            if (got == 0)
            {
                CheckEnd();
                return 0;
            }
            WavReader.RequireFinite(samples[..got], path, done);
            done += got;
            return got;
        }

        public override void Dispose()
        {
            _ = Close(handle);
            hash?.Dispose();
        }

        /// <summary>A damaged file may fail in the middle, with the frames so far already delivered.</summary>
        private void CheckEnd()
        {
            if (Error(handle) != 0 || done < info.Frames)
                throw new InputException($"{path}: damaged or truncated: {done} of {info.Frames} samples could be decoded");
            if (hash is null)
                return;
            UInt128 md5 = BinaryPrimitives.ReadUInt128BigEndian(hash.GetCurrentHash());
            if (FlacHeader.TryRead(path) is { Md5: var expected } && expected != 0 && expected != md5)
                throw new InputException($"{path}: damaged: the samples do not have the MD5 sum that the FLAC header says");
        }

        private int ReadFlac(Span<float> samples, IncrementalHash sum)
        {
            int channels = info.Channels, got = Math.Max(0, (int)ReadShorts(handle, encoded, samples.Length));
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
            int channels = info.Channels, got = Math.Max(0, (int)ReadFrames(handle, floats, samples.Length));
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

    /// <summary>SF_INFO of sndfile.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Info
    {
        public long Frames;
        public int SampleRate;
        public int Channels;
        public int Format;
        public int Sections;
        public int Seekable;
    }

    [LibraryImport(Library, EntryPoint = "sf_open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int mode, ref Info info);

    [LibraryImport(Library, EntryPoint = "sf_readf_float")]
    private static partial long ReadFrames(nint handle, [Out] float[] samples, long frames);

    [LibraryImport(Library, EntryPoint = "sf_readf_short")]
    private static partial long ReadShorts(nint handle, [Out] short[] samples, long frames);

    [LibraryImport(Library, EntryPoint = "sf_error")]
    private static partial int Error(nint handle);

    [LibraryImport(Library, EntryPoint = "sf_strerror")]
    private static partial nint ErrorText(nint handle);

    [LibraryImport(Library, EntryPoint = "sf_close")]
    private static partial int Close(nint handle);
}
