using System.Numerics;
using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Features;

/// <summary>From power spectra to mel-frequency cepstral coefficients, and from these back to a smooth spectrum.</summary>
internal static class Cepstrum
{
    /// <summary>Coefficients kept of each frame.</summary>
    public const int Coefficients = CoefficientFile.Coefficients;

    /// <summary>Mel filters.</summary>
    public const int Filters = 40;

    /// <summary>Rows of the rendered envelope.</summary>
    public const int EnvelopeRows = 161;

    private const double Ceiling = 8000;
    private const double Floor = 1e-10, DynamicRange = 80;

    /// <summary>The floor where it must not depend on what follows, in decibels: that of an utterance whose loudest filter has an energy of 1, as speech of a usual level has.</summary>
    private const float FixedFloor = (float)-DynamicRange;

    private static readonly double[] Dct = BuildDct(Filters, Coefficients);
    private static readonly float[] Inverse = BuildInverse();

    /// <summary>Slaney's mel scale: linear to 1000 Hz, logarithmic above (Auditory Toolbox, 1998).</summary>
    internal static double HertzToMel(double hertz) =>
        hertz < 1000 ? hertz * 3 / 200 : 15 + Math.Log(hertz / 1000) * 27 / Math.Log(6.4);

    /// <summary>The inverse of <see cref="HertzToMel"/>.</summary>
    internal static double MelToHertz(double mel) =>
        mel < 15 ? mel * 200 / 3 : 1000 * Math.Exp((mel - 15) * Math.Log(6.4) / 27);

    /// <summary>10 log10 of each filter's energy, at least -100 dB.</summary>
    /// <param name="power">The power spectrum of one frame.</param>
    /// <param name="filters">The bank for that transform.</param>
    /// <param name="decibels">[Filters]; overwritten.</param>
    public static void MelDecibels(ReadOnlySpan<double> power, MelFilter[] filters, Span<float> decibels)
    {
        for (int m = 0; m < filters.Length; m++)
            decibels[m] = (float)(10 * Math.Log10(Math.Max(filters[m].Apply(power), Floor)));
    }

    /// <summary>Raises everything to a floor.</summary>
    /// <param name="decibels">All filters' levels in all frames; overwritten.</param>
    /// <param name="relative">Whether the floor is 80 dB under the utterance's maximum, as torchaudio has it, or the same for all sound.</param>
    public static void Raise(Span<float> decibels, bool relative)
    {
        float floor = relative ? Maximum(decibels) - (float)DynamicRange : FixedFloor;
        foreach (ref float level in decibels)
            level = Math.Max(level, floor);
    }

    /// <summary>The orthonormal DCT-II of each frame.</summary>
    /// <param name="decibels">[frames, Filters].</param>
    /// <param name="frames">Frames of the utterance.</param>
    /// <returns>[Coefficients, frames].</returns>
    public static FeatureMatrix FromDecibels(ReadOnlySpan<float> decibels, int frames)
    {
        var result = new float[Coefficients * frames];
        for (int t = 0; t < frames; t++)
        {
            ReadOnlySpan<float> frame = decibels.Slice(t * Filters, Filters);
            for (int c = 0; c < Coefficients; c++)
            {
                double sum = 0;
                ReadOnlySpan<double> row = Dct.AsSpan(c * Filters, Filters);
                for (int m = 0; m < Filters; m++)
                    sum += row[m] * frame[m];
                result[c * frames + t] = (float)sum;
            }
        }
        return new FeatureMatrix(result, Coefficients, frames);
    }

    /// <summary>The orthonormal DCT-II of each frame, of levels by rows.</summary>
    /// <param name="decibels">[Filters, frames]; not changed.</param>
    /// <returns>[Coefficients, frames].</returns>
    public static FeatureMatrix FromDecibels(FeatureMatrix decibels)
    {
        var result = new FeatureMatrix(new float[Coefficients * decibels.Frames], Coefficients, decibels.Frames);
        for (int c = 0; c < Coefficients; c++)
        {
            for (int m = 0; m < Filters; m++)
                AddScaled(decibels.Row(m), (float)Dct[c * Filters + m], result.Row(c));
        }

        return result;
    }

    /// <summary>The filters' levels that coefficients describe: <see cref="FromDecibels(FeatureMatrix)"/> of them gives the coefficients back.</summary>
    /// <param name="coefficients">[Coefficients, frames]; not changed.</param>
    /// <returns>[Filters, frames].</returns>
    public static FeatureMatrix ToDecibels(FeatureMatrix coefficients)
    {
        var result = new FeatureMatrix(new float[Filters * coefficients.Frames], Filters, coefficients.Frames);
        for (int m = 0; m < Filters; m++)
        {
            for (int c = 0; c < Coefficients; c++)
                AddScaled(coefficients.Row(c), (float)Dct[c * Filters + m], result.Row(m));
        }

        return result;
    }

    private static float Maximum(ReadOnlySpan<float> decibels)
    {
        float maximum = float.NegativeInfinity;
        foreach (float value in decibels)
            maximum = Math.Max(maximum, value);
        return maximum;
    }

    /// <summary>Renders coefficients as a spectrum: S[k] = c0 / sqrt(161) + sqrt(2 / 161) sum_{m=1..12} c_m cos(pi m (2 k + 1) / 322).</summary>
    /// <param name="coefficients">[Coefficients, frames].</param>
    public static FeatureMatrix Envelope(FeatureMatrix coefficients)
    {
        int frames = coefficients.Frames;
        var result = new FeatureMatrix(new float[EnvelopeRows * frames], EnvelopeRows, frames);
        for (int k = 0; k < EnvelopeRows; k++)
        {
            Span<float> row = result.Row(k);
            for (int m = 0; m < Coefficients; m++)
                AddScaled(coefficients.Row(m), Inverse[k * Coefficients + m], row);
        }
        return result;
    }

    /// <summary>Does to coefficients what is meant for the filters' levels that they describe, where that is linear and alike in all frames.</summary>
    /// <param name="coefficients">[Coefficients, frames]; not changed.</param>
    /// <param name="change">From [Filters, n] to the same.</param>
    public static FeatureMatrix Transform(FeatureMatrix coefficients, Func<FeatureMatrix, FeatureMatrix> change)
    {
        // What becomes of each coefficient alone: the columns of the matrix that does the same to all frames.
        var levels = new FeatureMatrix(new float[Filters * Coefficients], Filters, Coefficients);
        for (int m = 0; m < Filters; m++)
        {
            for (int c = 0; c < Coefficients; c++)
                levels.Values[m * Coefficients + c] = (float)Dct[c * Filters + m];
        }

        FeatureMatrix changed = change(levels);
        var result = new FeatureMatrix(new float[coefficients.Values.Length], Coefficients, coefficients.Frames);
        for (int to = 0; to < Coefficients; to++)
        {
            for (int from = 0; from < Coefficients; from++)
            {
                double weight = 0;
                for (int m = 0; m < Filters; m++)
                    weight += Dct[to * Filters + m] * changed.Values[m * Coefficients + from];
                AddScaled(coefficients.Row(from), (float)weight, result.Row(to));
            }
        }

        return result;
    }

    /// <summary>A bank of triangular filters from 0 to 8000 Hz, each of Slaney's unit area.</summary>
    /// <param name="bins">Bins of the power spectrum, from 0 to 8000 Hz.</param>
    /// <param name="filters">How many.</param>
    public static MelFilter[] BuildFilters(int bins, int filters = Filters)
    {
        double top = HertzToMel(Ceiling);
        double[] edges = [.. Enumerable.Range(0, filters + 2).Select(i => MelToHertz(top * i / (filters + 1)))];
        double binWidth = Ceiling / (bins - 1);
        return [.. Enumerable.Range(0, filters).Select(m => MelFilter.Triangle(edges[m], edges[m + 1], edges[m + 2], bins, binWidth))];
    }

    /// <summary>[outputs, inputs], the orthonormal DCT-II.</summary>
    private static double[] BuildDct(int inputs, int outputs)
    {
        var table = new double[outputs * inputs];
        for (int c = 0; c < outputs; c++)
        {
            for (int m = 0; m < inputs; m++)
                table[c * inputs + m] = Math.Sqrt((c == 0 ? 1.0 : 2.0) / inputs) * Math.Cos(Math.PI * c * (2 * m + 1) / (2 * inputs));
        }
        return table;
    }

    private static float[] BuildInverse()
    {
        // An orthonormal transform's inverse is its transpose.
        double[] forward = BuildDct(EnvelopeRows, Coefficients);
        var table = new float[EnvelopeRows * Coefficients];
        for (int k = 0; k < EnvelopeRows; k++)
        {
            for (int m = 0; m < Coefficients; m++)
                table[k * Coefficients + m] = (float)forward[m * EnvelopeRows + k];
        }
        return table;
    }

    private static void AddScaled(ReadOnlySpan<float> x, float scale, Span<float> y)
    {
        int i = 0, lanes = Vector<float>.Count;
        for (; i <= y.Length - lanes; i += lanes)
            (new Vector<float>(y[i..]) + scale * new Vector<float>(x[i..])).CopyTo(y[i..]);
        for (; i < y.Length; i++)
            y[i] += scale * x[i];
    }
}
