using System.Runtime.InteropServices;
using System.Text;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>libsndfile, which decodes FLAC and some twenty other formats.</summary>
internal static partial class SndFile
{
    private const string Library = "libsndfile.so.1";
    internal const int ReadMode = 0x10;

    /// <summary>SF_ERR_MALFORMED_FILE: of a format that the library knows. What else it says of a file it says of sound encodings that it does not know, too.</summary>
    private const int Malformed = 3;

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
        using SndFileSource source = OpenSource(path);
        if (source.Length > Array.MaxLength)
            throw new InputException($"{path}: {source.Length} samples a channel are more than fit into memory at once");
        long frames = source.Length ?? Array.MaxLength;
        var samples = new float[Math.Min(frames, FirstFrames)];
        for (int done = 0; ;)
        {
            // At the end one sample more is asked for: the reader checks what only the end tells.
            if (done == samples.Length && done < frames)
                Array.Resize(ref samples, (int)Math.Min(frames, 2L * done));
            int got = source.Read(samples.AsSpan(done));
            if (got == 0)
                return new AudioClip(done == samples.Length ? samples : samples[..done], source.SampleRate);
            done += got;
        }
    }

    /// <summary>Opens a file to be read in blocks.</summary>
    /// <exception cref="InputException">The library is absent, or does not know the format; the file is damaged; later, its samples are not those that were encoded, or no finite numbers.</exception>
    public static SndFileSource OpenSource(string path) =>
        TryOpenSource(path, out string? whyNot) ?? throw new InputException($"{path}: {whyNot}{(IsAvailable ? "; transcribe also reads what ffmpeg does, all else after: ffmpeg -i FILE FILE.flac" : "")}");

    /// <summary>As above; null where the library is absent or does not know the format.</summary>
    /// <param name="path">The file.</param>
    /// <param name="whyNot">Says in the latter case which, without the file's name.</param>
    /// <exception cref="InputException">The file is missing, damaged, or text.</exception>
    public static SndFileSource? TryOpenSource(string path, out string? whyNot)
    {
        using HeaderStream file = HeaderStream.Open(path);
        if (TextIn(file.Start) is { } text)
            throw new InputException($"{path}: holds {text}, not sound");
        if (StoredSize.SaidBy(file) is { } says && WavReader.IsCut(says, file.Length))
            throw new InputException($"{path}: truncated: the header says {says} bytes, the file has {file.Length}");
        bool isKnown = SaysItsFormat(file.Start);
        // Also where there is no library: ffmpeg does not tell of an MP3 or Ogg file that was cut.
        IReadOnlyList<SoundPart> parts = isKnown && SoundPart.MayBeIn(file.Start) ? SoundPart.Find(path) : [];
        whyNot = !IsAvailable ? "this format needs libsndfile, which is not installed (on Debian: apt-get install libsndfile1)"
            : !isKnown ? "not an audio file that can be read: it begins like none of a known format" : null;
        if (whyNot is not null)
            return null;
        SndFileSource? source = SndFileSource.TryOpen(path, parts, out string? reason);
        whyNot = source is null ? $"not an audio file that can be read: {reason}" : null;
        return source;
    }

    /// <summary>Samples of each channel and their rate, where the format's header is none that Ds2 reads itself.</summary>
    /// <exception cref="InputException">As <see cref="OpenSource"/>.</exception>
    public static (long Samples, int Rate) Length(string path)
    {
        using SndFileSource source = OpenSource(path);
        return (source.Length ?? source.Count(), source.SampleRate);
    }

    /// <summary>Whether a file begins as one of the formats that say what they are. At others libsndfile guesses, MP3 most of all, and a decoder that was
    /// given a damaged WAV complains on stderr in many lines.</summary>
    internal static bool SaysItsFormat(ReadOnlySpan<byte> start)
    {
        string magic = Encoding.Latin1.GetString(start[..Math.Min(start.Length, 4)]);
        return Magics.Contains(magic) || magic.StartsWith("ID3", StringComparison.Ordinal) || start.Length >= 2 && start[0] == 0xFF && start[1] is >= 0xE2 and < 0xFF;
    }

    private static bool IsToTheEnd(string path)
    {
        using HeaderStream file = HeaderStream.Open(path);
        return StoredSize.IsToTheEnd(file);
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

    /// <summary>Opens a file, or a range of one.</summary>
    /// <returns>The handle; 0 where the library does not know the format.</returns>
    /// <exception cref="InputException">The header is damaged.</exception>
    internal static nint TryOpen(string path, SndFileRange? range, out Info info, out string? reason)
    {
        info = default;
        nint handle = range is null ? Open(path, ReadMode, ref info) : range.Open(ref info);
        reason = handle == 0 ? (Marshal.PtrToStringUTF8(ErrorText(0)) ?? "unknown error").Trim().TrimEnd('.') : null;
        if (handle == 0 && Error(0) == Malformed && !IsToTheEnd(path))
            throw new InputException($"{path}: damaged: {reason}");
        if (handle == 0 || (info.Channels > 0 && info.Frames >= 0 && AudioFile.IsRate(info.SampleRate)))
            return handle;
        _ = Close(handle);
        throw new InputException($"{path}: damaged: {info.Frames} samples of {info.Channels} channels at {info.SampleRate} Hz");
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

    [LibraryImport(Library, EntryPoint = "sf_open_virtual")]
    internal static unsafe partial nint OpenVirtual(void* calls, int mode, ref Info info, nint userData);

    [LibraryImport(Library, EntryPoint = "sf_readf_float")]
    internal static partial long ReadFrames(nint handle, [Out] float[] samples, long frames);

    [LibraryImport(Library, EntryPoint = "sf_readf_short")]
    internal static partial long ReadShorts(nint handle, [Out] short[] samples, long frames);

    [LibraryImport(Library, EntryPoint = "sf_error")]
    internal static partial int Error(nint handle);

    [LibraryImport(Library, EntryPoint = "sf_strerror")]
    private static partial nint ErrorText(nint handle);

    [LibraryImport(Library, EntryPoint = "sf_close")]
    internal static partial int Close(nint handle);
}
