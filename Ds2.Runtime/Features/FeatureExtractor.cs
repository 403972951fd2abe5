using System.Buffers;
using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Features;

/// <summary>Turns sound into what the model sees.</summary>
/// <remarks>
/// Frames of 20 ms under a periodic Hamming window, 10 ms apart, centred, the signal mirrored at its ends: n samples give n / 160 + 1 frames.
/// The MFCC follow torchaudio's <c>MFCC(16000, 13, norm="ortho")</c> with a transform of 512, 40 Slaney filters of unit area from 0 to 8000 Hz, decibels
/// floored at 80 under the utterance's maximum, or at -80 where features are normalized by the corpus's figures. The spectrogram is log(1 + magnitude) of a transform of 320. Thread-safe: tables are shared, scratch memory is rented.
/// </remarks>
/// <param name="kind">What to extract.</param>
/// <param name="normalization">By what features are normalized.</param>
/// <param name="statistics">The corpus's figures, for <see cref="FeatureNormalization.Corpus"/>; null as long as they are still to be found, for extracting alone.</param>
public sealed class FeatureExtractor(FeatureKind kind, FeatureNormalization normalization = FeatureNormalization.Utterance, RowStatistics? statistics = null)
{
    /// <summary>To be raised when the features of a recording change: those that were stored under another version are computed again.</summary>
    public const int Version = 1;

    private const int MfccTransform = 512, SpectrogramTransform = 320;

    /// <summary>Frames transformed at a time; a multiple of the spectrum's group.</summary>
    private const int Chunk = 16;

    /// <summary>Features beyond this come from no recording, and their differences and squares would leave fp32's range.</summary>
    private const float Largest = 1e18f;

    private static readonly Lazy<FrameSpectrum> MfccSpectrum = new(() => new FrameSpectrum(MfccTransform));
    private static readonly Lazy<FrameSpectrum> PlainSpectrum = new(() => new FrameSpectrum(SpectrogramTransform));
    private static readonly Lazy<MelFilter[]> Filters = new(() => Cepstrum.BuildFilters(MfccTransform / 2 + 1));
    private static readonly Lazy<MelFilter[]> FineFilters = new(() => Cepstrum.BuildFilters(MfccTransform / 2 + 1, filters: 80));

    /// <summary>What is extracted.</summary>
    public FeatureKind Kind => kind;

    /// <summary>By what features are normalized.</summary>
    public FeatureNormalization Normalization => normalization;

    /// <summary>The corpus's figures that features are normalized by; null for each utterance's own.</summary>
    public RowStatistics? Statistics => statistics;

    /// <summary>A name for what <see cref="Analyze"/> computes: where it is the same, so are the values.</summary>
    internal string Analysis => (kind.IsMadeOfCoefficients() ? "mfcc" : kind.Name()) + (kind == FeatureKind.Spectrogram || HasRelativeFloor ? "" : "-fixed-floor");

    /// <summary>Whether each row has a mean and a deviation of its own; the others are scaled as a whole.</summary>
    private bool IsScaledByRow => kind == FeatureKind.MfccRaw || kind.IsFilterBank();

    private MelFilter[] Bank => kind == FeatureKind.Fbank80 ? FineFilters.Value : Filters.Value;

    private bool HasRelativeFloor => normalization == FeatureNormalization.Utterance;

    /// <summary>Height of the features: 161, 13 for the coefficients themselves, or a filter bank's 40 or 80.</summary>
    public int Rows => kind switch
    {
        FeatureKind.MfccRaw => Cepstrum.Coefficients,
        FeatureKind.Fbank40 or FeatureKind.Fbank80 => Bank.Length,
        _ => Cepstrum.EnvelopeRows,
    };

    /// <summary>The fewest samples that have features: one more than the mirrored ends need.</summary>
    public int MinimumSamples => (kind == FeatureKind.Spectrogram ? SpectrogramTransform : MfccTransform) / 2 + 1;

    /// <summary>Whether a recording is so short that it has not one frame.</summary>
    /// <param name="path">The file: its ending says what it holds.</param>
    /// <param name="seconds">Its length, as <see cref="AudioFile.Duration"/> gives it.</param>
    public bool IsTooShort(string path, double seconds) => !CoefficientFile.IsOne(path) && SamplesIn(seconds) < MinimumSamples;

    /// <summary>No fewer frames than a recording of this length has, at whatever rate it was sampled.</summary>
    public static int MostFrames(double seconds) => checked((int)Math.Ceiling(seconds * AudioFile.SampleRate / FrameSpectrum.Hop) + 1);

    /// <summary>The frames of a recording or of a feature file of this length; 0 for one that <see cref="IsTooShort"/>.</summary>
    /// <param name="path">The file: its ending says what it holds.</param>
    /// <param name="seconds">Its length, as <see cref="AudioFile.Duration"/> gives it.</param>
    public int FramesOf(string path, double seconds)
    {
        if (CoefficientFile.IsOne(path))
            return checked((int)Math.Round(seconds * CoefficientFile.FramesPerSecond));
        return IsTooShort(path, seconds) ? 0 : SamplesIn(seconds) / FrameSpectrum.Hop + 1;
    }

    /// <summary>Samples after resampling; what rounding left beyond a whole number is no sample.</summary>
    private static int SamplesIn(double seconds) => checked((int)Math.Ceiling(seconds * AudioFile.SampleRate - 1e-6));

    /// <summary>Extracts features, not normalised.</summary>
    /// <param name="samples">Mono, 16 kHz, full scale at 1.</param>
    /// <exception cref="InputException">There are fewer than <see cref="MinimumSamples"/> samples.</exception>
    public FeatureMatrix Extract(ReadOnlySpan<float> samples) => Render(Analyze(samples));

    /// <summary>The part of <see cref="Extract"/> that takes the time, in its most compact form: 13 coefficients a frame for both kinds of MFCC, else the spectrogram.</summary>
    internal FeatureMatrix Analyze(ReadOnlySpan<float> samples)
    {
        if (samples.Length < MinimumSamples)
            throw new InputException($"{samples.Length} samples at {AudioFile.SampleRate} Hz are too short for features: at least {MinimumSamples} are needed");
        int frames = samples.Length / FrameSpectrum.Hop + 1;
        float[] padded = ArrayPool<float>.Shared.Rent(samples.Length + 2 * FrameSpectrum.Half);
        try
        {
            Span<float> signal = padded.AsSpan(0, samples.Length + 2 * FrameSpectrum.Half);
            Mirror(samples, signal);
            return AnalyzeFrames(signal, frames);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(padded);
        }
    }

    /// <summary>The normalized features of some frames, the first one's window being the first samples given.</summary>
    /// <param name="signal">16 kHz, 160 samples a frame and 160 more.</param>
    /// <param name="frames">How many.</param>
    /// <exception cref="InputException">A value is no finite number of a sensible size.</exception>
    internal FeatureMatrix ExtractFrames(ReadOnlySpan<float> signal, int frames) => Normalize(Sensible(Render(AnalyzeFrames(signal, frames))));

    private FeatureMatrix AnalyzeFrames(ReadOnlySpan<float> signal, int frames) =>
        kind == FeatureKind.Spectrogram ? LogMagnitudes(signal, frames) : MelFeatures(signal, frames);

    /// <summary>The rest of <see cref="Extract"/>.</summary>
    internal FeatureMatrix Render(FeatureMatrix analyzed) => kind == FeatureKind.Mfcc ? Cepstrum.Envelope(analyzed) : analyzed;

    /// <summary>Brings features that were stored as coefficients into this extractor's form, not normalised.</summary>
    /// <param name="framesBy13">[frames, 13].</param>
    /// <param name="frames">Frames.</param>
    /// <exception cref="InputException">A spectrogram was asked for: coefficients do not hold one.</exception>
    public FeatureMatrix FromCoefficients(float[] framesBy13, int frames)
    {
        ArgumentNullException.ThrowIfNull(framesBy13);
        if (framesBy13.Length != frames * Cepstrum.Coefficients)
            throw new ArgumentException($"{framesBy13.Length} values are not {frames} frames of {Cepstrum.Coefficients} coefficients", nameof(framesBy13));
        if (!kind.IsMadeOfCoefficients())
            throw new InputException($"the features '{kind.Name()}' cannot be made from stored cepstral coefficients; use 'mfcc' or 'mfcc-raw'");
        var rows = new FeatureMatrix(new float[framesBy13.Length], Cepstrum.Coefficients, frames);
        for (int t = 0; t < frames; t++)
        {
            for (int c = 0; c < Cepstrum.Coefficients; c++)
                rows.Values[c * frames + t] = framesBy13[t * Cepstrum.Coefficients + c];
        }
        return Render(rows);
    }

    /// <summary>Reads a file and extracts its features, not normalised.</summary>
    /// <param name="path">Audio, or stored coefficients: .npy (float32, [frames, 13]) or Sphinx .mfc.</param>
    /// <param name="change">Changes the sound before; not called for stored coefficients.</param>
    /// <exception cref="InputException">The file is missing, damaged or too short, or holds coefficients where a spectrogram was asked for; or its features
    /// are no finite numbers of a sensible size, which would spoil the model's running statistics.</exception>
    public FeatureMatrix FromFile(string path, Func<float[], float[]>? change = null) => Naming(path, () =>
    {
        if (CoefficientFile.IsOne(path))
            return Sensible(FromCoefficientFile(path));
        float[] samples = AudioFile.Read(path);
        return Sensible(Extract(change is null ? samples : change(samples)));
    });

    /// <summary>The features of a recording, and what <see cref="Render"/> makes them from.</summary>
    internal (FeatureMatrix Analyzed, FeatureMatrix Features) AnalyzeFile(string path) => Naming(path, () =>
    {
        FeatureMatrix analyzed = Analyze(AudioFile.Read(path));
        return (analyzed, Sensible(Render(analyzed)));
    });

    /// <summary><see cref="Extract"/>, and refuses features that are no finite numbers of a sensible size.</summary>
    internal FeatureMatrix ExtractSensible(ReadOnlySpan<float> samples) => Sensible(Extract(samples));

    private static FeatureMatrix Sensible(FeatureMatrix features)
    {
        foreach (float value in features.Values)
        {
            if (!(Math.Abs(value) <= Largest))
                throw new InputException($"its features have a value of {value}; its amplitudes or coefficients are none of a recording");
        }

        return features;
    }

    /// <summary>Has every complaint begin with the file's name.</summary>
    private static T Naming<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InputException e) when (!e.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw new InputException($"{path}: {e.Message}", e);
        }
    }

    private FeatureMatrix FromCoefficientFile(string path)
    {
        float[] values = CoefficientFile.Read(path);
        return FromCoefficients(values, values.Length / Cepstrum.Coefficients);
    }

    /// <summary>Scales features to mean 0 and standard deviation 1: by the corpus's figures row by row; or by the utterance's own, raw coefficients each for itself, the others as a whole.</summary>
    /// <remarks>In place. The deviation is the unbiased one (n - 1), as torch.std; constant features become zero. Coefficient 0, the level, is an order of
    /// magnitude larger than the other coefficients: one deviation for all 13 would leave those near zero.</remarks>
    /// <param name="features">The features; overwritten.</param>
    /// <returns>The same object.</returns>
    /// <exception cref="InvalidOperationException">The corpus's figures are to be used and are not known.</exception>
    public FeatureMatrix Normalize(FeatureMatrix features)
    {
        ArgumentNullException.ThrowIfNull(features);
        if (normalization == FeatureNormalization.Corpus)
        {
            (statistics ?? throw new InvalidOperationException("the corpus's figures are not known yet")).Apply(features);
            return features;
        }

        if (!IsScaledByRow)
        {
            Standardize(features.Values);
            return features;
        }

        for (int row = 0; row < features.Rows; row++)
            Standardize(features.Row(row));
        return features;
    }

    private static void Standardize(Span<float> values)
    {
        double sum = 0;
        foreach (float value in values)
            sum += value;
        double mean = sum / values.Length, squares = 0;
        foreach (float value in values)
            squares += (value - mean) * (value - mean);
        double deviation = Math.Sqrt(squares / Math.Max(1, values.Length - 1));
        // Equal values may differ from their computed mean by its rounding: that is no signal to blow up.
        float scale = deviation > 1e-6 * Math.Max(1e-30, Math.Abs(mean)) ? (float)(1 / deviation) : 0;
        float centre = (float)mean;
        for (int i = 0; i < values.Length; i++)
            values[i] = (values[i] - centre) * scale;
    }

    private FeatureMatrix MelFeatures(ReadOnlySpan<float> signal, int frames)
    {
        MelFilter[] bank = Bank;
        float[] rented = ArrayPool<float>.Shared.Rent(frames * bank.Length);
        try
        {
            Span<float> decibels = rented.AsSpan(0, frames * bank.Length);
            ForEachFrame(signal, frames, MfccSpectrum.Value, (frame, power) => Cepstrum.MelDecibels(power, bank, rented.AsSpan(frame * bank.Length, bank.Length)));
            Cepstrum.Raise(decibels, HasRelativeFloor);
            return kind.IsFilterBank() ? Transposed(decibels, frames, bank.Length) : Cepstrum.FromDecibels(decibels, frames);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    /// <summary>[frames, rows] as [rows, frames].</summary>
    private static FeatureMatrix Transposed(ReadOnlySpan<float> values, int frames, int rows)
    {
        var result = new FeatureMatrix(new float[values.Length], rows, frames);
        for (int t = 0; t < frames; t++)
        {
            for (int row = 0; row < rows; row++)
                result.Values[row * frames + t] = values[t * rows + row];
        }

        return result;
    }

    private static FeatureMatrix LogMagnitudes(ReadOnlySpan<float> signal, int frames)
    {
        int bins = PlainSpectrum.Value.Bins;
        var values = new float[bins * frames];
        ForEachFrame(signal, frames, PlainSpectrum.Value, (frame, power) =>
        {
            for (int k = 0; k < bins; k++)
                values[k * frames + frame] = (float)Math.Log(1 + Math.Sqrt(power[k]));
        });
        return new FeatureMatrix(values, bins, frames);
    }

    private static void ForEachFrame(ReadOnlySpan<float> signal, int frames, FrameSpectrum spectrum, Action<int, ReadOnlySpan<double>> use)
    {
        int folded = Chunk * FrameSpectrum.Taps;
        double[] scratch = ArrayPool<double>.Shared.Rent(2 * folded + Chunk * spectrum.Stride);
        try
        {
            Span<double> even = scratch.AsSpan(0, folded), odd = scratch.AsSpan(folded, folded), power = scratch.AsSpan(2 * folded, Chunk * spectrum.Stride);
            for (int first = 0; first < frames; first += Chunk)
            {
                int count = Math.Min(Chunk, frames - first);
                FrameSpectrum.Fold(signal, first, count, even, odd);
                // The last chunk's missing frames repeat what lies in the buffers; nobody looks at them.
                int whole = (count + FrameSpectrum.Group - 1) / FrameSpectrum.Group * FrameSpectrum.Group;
                spectrum.Power(even, odd, whole, power);
                for (int f = 0; f < count; f++)
                    use(first + f, power.Slice(f * spectrum.Stride, spectrum.Bins));
            }
        }
        finally
        {
            ArrayPool<double>.Shared.Return(scratch);
        }
    }

    /// <summary>Reflects the signal about its first and last sample, these not repeated.</summary>
    private static void Mirror(ReadOnlySpan<float> samples, Span<float> padded)
    {
        const int half = FrameSpectrum.Half;
        samples.CopyTo(padded[half..]);
        for (int i = 1; i <= half; i++)
        {
            padded[half - i] = samples[i];
            padded[half + samples.Length - 1 + i] = samples[^(i + 1)];
        }
    }
}
