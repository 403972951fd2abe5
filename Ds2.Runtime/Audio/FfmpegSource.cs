using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>What libsndfile does not read, decoded by the program ffmpeg, through a pipe: video files, AAC, and so on.</summary>
internal sealed class FfmpegSource : SampleSource
{
    private const string Program = "ffmpeg", RawSamples = "f32le";

    /// <summary>Beginnings of the names of ffmpeg's decoders of pictures.</summary>
    private static readonly string[] PictureDecoders =
    [
        "h26", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpegvideo", "mpeg4", "msmpeg4", "vp", "libvpx", "av1", "libdav1d", "libaom", "theora", "wmv", "vc1", "mjpeg", "png", "gif", "webp",
        "dvvideo", "prores", "svq", "rv", "cinepak",
    ];

    private readonly string path;
    private readonly Process process;
    private readonly Stream output;
    private readonly byte[] bytes = new byte[64 * 1024];
    private volatile string? complaint;
    private long done;

    private FfmpegSource(string path, Process process)
    {
        (this.path, this.process) = (path, process);
        output = process.StandardOutput.BaseStream;
        // The first line says what is wrong; a damaged file has thousands.
        process.ErrorDataReceived += (_, line) => complaint ??= OfSound(line.Data);
        process.BeginErrorReadLine();
    }

    public override int SampleRate => AudioFile.SampleRate;

    /// <summary>Starts to decode a file; null where the program is not installed.</summary>
    public static FfmpegSource? TryOpen(string path)
    {
        // As a name of the protocol "file", lest a file's name be taken for an option or an address.
        string[] arguments = ["-nostdin", "-v", "error", "-i", $"file:{Path.GetFullPath(path)}", "-vn", "-f", RawSamples, "-ac", "1", "-ar", $"{AudioFile.SampleRate}", "-"];
        // Ctrl-C reaches all of the terminal's group. It is for us to say when a recording ends, and in the background we do not hear it at all: the decoder gets a group of its own.
        Process? process = IsInstalled() ? TryStart("setsid", [Program, .. arguments]) ?? TryStart(Program, arguments) : null;
        return process is null ? null : new FfmpegSource(path, process);
    }

    public override int Read(Span<float> samples)
    {
        int wanted = Math.Min(samples.Length, bytes.Length / sizeof(float)) * sizeof(float);
        int got = InputFile.Guard(path, () => output.ReadAtLeast(bytes.AsSpan(0, wanted), wanted, throwOnEndOfStream: false)) / sizeof(float);
        if (got == 0)
        {
            CheckEnd();
            return 0;
        }
        MemoryMarshal.Cast<byte, float>(bytes.AsSpan(0, got * sizeof(float))).CopyTo(samples);
        WavReader.RequireFinite(samples[..got], path, done);
        done += got;
        return got;
    }

    public override void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.Dispose();
    }

    /// <summary>Looked for here, as setsid starts whether or not there is what it is to start.</summary>
    private static bool IsInstalled() => Environment.GetEnvironmentVariable("PATH")?.Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, Program))) == true;

    private static Process? TryStart(string program, string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true });
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary>ffmpeg goes on after what it cannot decode, and mostly ends as if all were well: what it says tells.</summary>
    private void CheckEnd()
    {
        process.WaitForExit();
        if (done == 0)
            throw new InputException($"{path}: not sound that ffmpeg can read: {Reason() ?? "no sound in it"}");
        if (process.ExitCode != 0 || complaint is not null)
            throw SoundPart.Damaged(path, $"ffmpeg decoded {(double)done / SampleRate:F1} s and says: {Reason() ?? $"exit status {process.ExitCode}"}");
    }

    /// <summary>A complaint that concerns the sound: not of pictures, which are looked at also where they are not wanted, nor of times that the decoded samples do not have.</summary>
    private static string? OfSound(string? line)
    {
        string text = line?.Trim() ?? "";
        int end = text.IndexOf(" @ ", StringComparison.Ordinal);
        string part = text.StartsWith('[') && end > 0 ? text[1..end] : "";
        return text.Length == 0 || text.StartsWith("Last message repeated", StringComparison.Ordinal) || part == RawSamples || PictureDecoders.Any(name => part.StartsWith(name, StringComparison.Ordinal))
            ? null : text;
    }

    private string? Reason()
    {
        if (complaint is not { } reason)
            return null;
        int name = reason.IndexOf(path, StringComparison.Ordinal), context = reason.StartsWith('[') ? reason.IndexOf("] ", StringComparison.Ordinal) : -1;
        return (name >= 0 ? reason[(name + path.Length)..] : reason[(context + 1)..]).TrimStart(':', ' ').TrimEnd('.');
    }
}
