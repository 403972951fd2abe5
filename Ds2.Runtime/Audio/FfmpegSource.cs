using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Ds2.Runtime.Audio;

/// <summary>What libsndfile does not read, decoded by the program ffmpeg, through a pipe: video files, AAC, and so on.</summary>
internal sealed class FfmpegSource : SampleSource
{
    private readonly string path;
    private readonly Process process;
    private readonly Stream output;
    private readonly StringBuilder complaints = new();
    private readonly byte[] bytes = new byte[64 * 1024];
    private bool any;

    private FfmpegSource(string path, Process process)
    {
        (this.path, this.process) = (path, process);
        output = process.StandardOutput.BaseStream;
        process.ErrorDataReceived += (_, line) =>
        {
            lock (complaints)
            {
                // The first line says what is wrong; a damaged file has thousands.
                if (complaints.Length == 0 && !string.IsNullOrWhiteSpace(line.Data))
                    complaints.Append(line.Data.Trim());
            }
        };
        process.BeginErrorReadLine();
    }

    public override int SampleRate => AudioFile.SampleRate;

    /// <summary>Starts to decode a file; null where the program is not installed.</summary>
    public static FfmpegSource? TryOpen(string path)
    {
        // As a name of the protocol "file", lest a file's name be taken for an option or an address.
        var start = new ProcessStartInfo(
            "ffmpeg", ["-nostdin", "-v", "error", "-i", $"file:{Path.GetFullPath(path)}", "-vn", "-f", "f32le", "-ac", "1", "-ar", $"{AudioFile.SampleRate}", "-"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            return new FfmpegSource(path, Process.Start(start)!);
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    public override int Read(Span<float> samples)
    {
        int wanted = Math.Min(samples.Length, bytes.Length / sizeof(float)) * sizeof(float);
        int got = output.ReadAtLeast(bytes.AsSpan(0, wanted), wanted, throwOnEndOfStream: false) / sizeof(float);
        if (got == 0)
        {
            process.WaitForExit();
            if (process.ExitCode != 0 || !any)
                throw new InputException($"{path}: not sound that ffmpeg can read: {Reason()}");
            return 0;
        }
        any = true;
        MemoryMarshal.Cast<byte, float>(bytes.AsSpan(0, got * sizeof(float))).CopyTo(samples);
        WavReader.RequireFinite(samples[..got], path);
        return got;
    }

    public override void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.Dispose();
    }

    private string Reason()
    {
        string reason;
        lock (complaints)
            reason = complaints.ToString();
        int name = reason.IndexOf(path, StringComparison.Ordinal);
        return reason.Length == 0 ? "no sound in it" : (name >= 0 ? reason[(name + path.Length)..] : reason).TrimStart(':', ' ').TrimEnd('.');
    }
}
