using System.Runtime.InteropServices;

namespace Ds2.Runtime.Audio;

/// <summary>libsndfile, which decodes FLAC and some twenty other formats.</summary>
internal static partial class SndFile
{
    private const string Library = "libsndfile.so.1";
    private const int ReadMode = 0x10;

    /// <summary>Whether the library is installed.</summary>
    public static bool IsAvailable => Available.Value;

    private static readonly Lazy<bool> Available = new(() => NativeLibrary.TryLoad(Library, out _));

    /// <summary>Reads a whole file at its own rate, its channels mixed to one by their mean.</summary>
    /// <exception cref="InputException">The library is absent, or does not like the file.</exception>
    public static AudioClip Read(string path)
    {
        nint handle = Open(path, out Info info);
        try
        {
            if (info.Frames > Array.MaxLength)
                throw new InputException($"{path}: {info.Frames} samples a channel are more than fit into memory at once");
            var samples = new float[info.Frames];
            long count = info.Channels == 1
                ? ReadFrames(handle, samples, samples.Length)
                : ReadMixed(handle, samples, info.Channels);
            // A damaged file may fail in the middle, with the frames so far already delivered.
            if (Error(handle) != 0 || count < info.Frames)
                throw new InputException($"{path}: damaged or truncated: {count} of {info.Frames} samples could be decoded");
            return new AudioClip(samples, info.SampleRate);
        }
        finally
        {
            _ = Close(handle);
        }
    }

    /// <summary>The length in seconds, where the format's header is none that Ds2 reads itself.</summary>
    public static double Duration(string path)
    {
        nint handle = Open(path, out Info info);
        _ = Close(handle);
        return (double)info.Frames / info.SampleRate;
    }

    private static long ReadMixed(nint handle, float[] samples, int channels)
    {
        var block = new float[4096 * channels];
        int done = 0;
        while (done < samples.Length)
        {
            int got = (int)ReadFrames(handle, block, Math.Min(4096, samples.Length - done));
            if (got <= 0)
                break;
            for (int i = 0; i < got; i++)
            {
                double sum = 0;
                for (int c = 0; c < channels; c++)
                    sum += block[i * channels + c];
                samples[done + i] = (float)(sum / channels);
            }
            done += got;
        }
        return done;
    }

    private static nint Open(string path, out Info info)
    {
        if (!IsAvailable)
            throw new InputException($"{path}: this format needs libsndfile, which is not installed (on Debian: apt-get install libsndfile1)");
        info = default;
        nint handle = Open(path, ReadMode, ref info);
        if (handle == 0)
        {
            string reason = Marshal.PtrToStringUTF8(ErrorText(0)) ?? "unknown error";
            throw new InputException($"{path}: not an audio file that can be read: {reason.Trim().TrimEnd('.')}");
        }
        return handle;
    }

    /// <summary>SF_INFO of sndfile.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Info
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

    [LibraryImport(Library, EntryPoint = "sf_error")]
    private static partial int Error(nint handle);

    [LibraryImport(Library, EntryPoint = "sf_strerror")]
    private static partial nint ErrorText(nint handle);

    [LibraryImport(Library, EntryPoint = "sf_close")]
    private static partial int Close(nint handle);
}
