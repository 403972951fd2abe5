namespace Ds2.Runtime.Audio;

/// <summary>A <see cref="Resampler"/> for sound that comes in pieces of any size: the samples that it makes of the whole, bit for bit.</summary>
/// <remarks>An output needs half a filter of input after it, so many samples late it comes: a few milliseconds.</remarks>
public sealed class SoundResampler
{
    private readonly Resampler? resampler;
    private float[] held = [];
    private int count;
    private long first;
    private long taken;
    private long given;
    private float[] output = [];

    /// <summary>Sound of a rate, brought to another.</summary>
    /// <param name="from">Its rate.</param>
    /// <param name="to">The rate wanted.</param>
    /// <exception cref="InputException">The rates are in no simple ratio.</exception>
    public SoundResampler(int from, int to)
    {
        if (from == to)
            return;
        if (!AudioFile.IsRate(from))
            throw new InputException($"a sample rate of {from} Hz is outside {AudioFile.LeastRate}..{AudioFile.MostRate}");
        if (!Resampler.IsFeasible(from, to))
            throw new InputException($"a sample rate of {from} Hz is in no simple ratio to {to}");
        resampler = Resampler.For(from, to);
        // Before the first sample is silence.
        count = resampler.Margin;
        held = new float[2 * count];
        first = -count;
        Delay = (double)resampler.Margin / from;
    }

    /// <summary>How much later than its sound a sample comes, in seconds.</summary>
    public double Delay { get; }

    /// <summary>Takes the next samples.</summary>
    /// <returns>The samples that can be made now; overwritten by the next call.</returns>
    public ReadOnlySpan<float> Accept(ReadOnlySpan<float> samples)
    {
        if (resampler is null)
            return samples;
        Append(samples);
        taken += samples.Length;
        return Make(resampler.OutputsBefore(taken));
    }

    /// <summary>Ends the sound: silence follows.</summary>
    /// <returns>The last samples.</returns>
    public ReadOnlySpan<float> Finish()
    {
        if (resampler is null)
            return [];
        Append(new float[resampler.Margin + 1]);
        return Make(resampler.LengthOf(taken));
    }

    private void Append(ReadOnlySpan<float> samples)
    {
        if (count + samples.Length > held.Length)
            Array.Resize(ref held, Math.Max(count + samples.Length, 2 * held.Length));
        samples.CopyTo(held.AsSpan(count));
        count += samples.Length;
    }

    // The outputs up to the end-th; then the inputs that none needs any more go.
    private ReadOnlySpan<float> Make(long end)
    {
        int some = (int)Math.Max(0, end - given);
        if (output.Length < some)
            output = new float[some];
        for (int i = 0; i < some; i++)
            output[i] = resampler!.Sample(held.AsSpan(0, count), first, given + i);
        given += some;
        int dropped = (int)Math.Clamp(resampler!.FirstInput(given) - first, 0, count);
        held.AsSpan(dropped, count - dropped).CopyTo(held);
        count -= dropped;
        first += dropped;
        return output.AsSpan(0, some);
    }
}
