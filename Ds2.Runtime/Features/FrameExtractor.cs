namespace Ds2.Runtime.Features;

/// <summary>Features of sound that comes in pieces of any size: the frames of the whole, bit for bit.</summary>
/// <remarks>A frame is known when the 20 ms around its centre are there: 10 ms after it. The first frames, which see the mirrored beginning, wait for the fewest samples that have features at all.</remarks>
public sealed class FrameExtractor
{
    private const int Half = FrameSpectrum.Half, Hop = FrameSpectrum.Hop, Window = 2 * FrameSpectrum.Half;

    private readonly FeatureExtractor extractor;
    private float[] signal = new float[8 * Window];
    private int count;

    /// <summary>Where in <see cref="signal"/> the next frame's window begins. A hop before it is kept: the mirrored end may need it.</summary>
    private int next;
    private long samples;

    /// <summary>The frames of one stream.</summary>
    /// <param name="extractor">Makes them; it may serve other streams too.</param>
    /// <exception cref="ArgumentException">It normalizes by the utterance's own figures, which are known at its end.</exception>
    public FrameExtractor(FeatureExtractor extractor)
    {
        ArgumentNullException.ThrowIfNull(extractor);
        if (extractor.Normalization != FeatureNormalization.Corpus || extractor.Statistics is null)
            throw new ArgumentException("features normalized by the utterance's own figures are known at its end only", nameof(extractor));
        this.extractor = extractor;
    }

    /// <summary>How much later than its centre a frame comes, in seconds.</summary>
    public static double Delay => (double)Half / Audio.AudioFile.SampleRate;

    /// <summary>Takes the next samples.</summary>
    /// <param name="more">Mono, 16 kHz, full scale at 1.</param>
    /// <returns>The normalized frames that are known now; may be none.</returns>
    /// <exception cref="InputException">A feature is no finite number of a sensible size.</exception>
    public FeatureMatrix Accept(ReadOnlySpan<float> more)
    {
        Append(more);
        samples += more.Length;
        if (samples < extractor.MinimumSamples)
            return None;
        if (samples - more.Length < extractor.MinimumSamples)
            MirrorStart();
        return Extract(count - next < Window ? 0 : (count - next - Window) / Hop + 1);
    }

    /// <summary>Ends the sound: its last frames, which see the mirrored end. None of sound that is too short for features.</summary>
    /// <exception cref="InputException">As of <see cref="Accept"/>.</exception>
    public FeatureMatrix Finish()
    {
        if (samples < extractor.MinimumSamples)
            return None;
        Span<float> mirrored = stackalloc float[Half];
        for (int i = 0; i < Half; i++)
            mirrored[i] = signal[count - 2 - i];
        Append(mirrored);
        return Extract((count - next - Window) / Hop + 1);
    }

    private FeatureMatrix None => new([], extractor.Rows, 0);

    private void Append(ReadOnlySpan<float> more)
    {
        if (count + more.Length > signal.Length)
            Array.Resize(ref signal, Math.Max(count + more.Length, 2 * signal.Length));
        more.CopyTo(signal.AsSpan(count));
        count += more.Length;
    }

    private void MirrorStart()
    {
        Append(stackalloc float[Half]);
        signal.AsSpan(0, count - Half).CopyTo(signal.AsSpan(Half));
        for (int i = 1; i <= Half; i++)
            signal[Half - i] = signal[Half + i];
    }

    private FeatureMatrix Extract(int frames)
    {
        if (frames == 0)
            return None;
        FeatureMatrix features = extractor.ExtractFrames(signal.AsSpan(next, (frames - 1) * Hop + Window), frames);
        next += frames * Hop;
        int dropped = next - Hop;
        signal.AsSpan(dropped, count - dropped).CopyTo(signal);
        count -= dropped;
        next = Hop;
        return features;
    }
}
