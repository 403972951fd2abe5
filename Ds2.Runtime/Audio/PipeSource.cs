using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>Sound that comes through a pipe in blocks: WAV, or raw PCM.</summary>
internal sealed class PipeSource : SampleSource
{
    private readonly Stream stream;
    private readonly string name;
    private readonly SoundPipe pipe;
    private readonly byte[] bytes = new byte[16 * 1024];
    private float[] held = [];
    private int next, count;

    /// <summary>Sound from a pipe whose beginning is read at once.</summary>
    public PipeSource(Stream stream, string name, int? rawRate)
    {
        (this.stream, this.name) = (stream, name);
        pipe = new SoundPipe(name, rawRate);
        Fill();
        if (count == 0)
            throw new InputException($"{name}: holds no samples");
    }

    public override int SampleRate => pipe.SampleRate;

    public override int Read(Span<float> samples)
    {
        if (next == count)
            Fill();
        int some = Math.Min(samples.Length, count - next);
        held.AsSpan(next, some).CopyTo(samples);
        next += some;
        return some;
    }

    public override void Dispose() => stream.Dispose();

    private void Fill()
    {
        (next, count) = (0, 0);
        while (count == 0)
        {
            int got = InputFile.Guard(name, () => stream.Read(bytes));
            if (got == 0)
            {
                pipe.Finish();
                return;
            }
            ReadOnlySpan<float> samples = pipe.Accept(bytes.AsSpan(0, got));
            if (held.Length < samples.Length)
                held = new float[samples.Length];
            samples.CopyTo(held);
            count = samples.Length;
        }
    }
}
