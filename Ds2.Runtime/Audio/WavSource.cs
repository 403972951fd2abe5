using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>A WAV file in blocks.</summary>
internal sealed class WavSource(FileStream file, WavHeader header, string path) : SampleSource
{
    private readonly byte[] bytes = new byte[Math.Max(1, 64 * 1024 / header.FrameBytes) * header.FrameBytes];
    private long done;

    public override int SampleRate => header.SampleRate;

    public override int Read(Span<float> samples)
    {
        int frames = (int)Math.Min(Math.Min(samples.Length, bytes.Length / header.FrameBytes), header.Frames - done);
        Span<byte> block = bytes.AsSpan(0, frames * header.FrameBytes);
        InputFile.Guard(path, () =>
        {
            file.ReadExactly(bytes, 0, frames * header.FrameBytes);
            return 0;
        });
        WavReader.Decode(block, header, samples[..frames]);
        WavReader.RequireFinite(samples[..frames], path, done);
        done += frames;
        return frames;
    }

    public override void Dispose() => file.Dispose();
}
