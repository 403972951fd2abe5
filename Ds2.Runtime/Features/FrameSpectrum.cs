using System.Numerics;

namespace Ds2.Runtime.Features;

/// <summary>The power spectrum of 20 ms Hamming-windowed frames, by a folded matrix product.</summary>
/// <remarks>
/// A frame centred on c is x[c - 160 .. c + 160) under the periodic window w[n] = 0.54 + 0.46 cos(2 pi n / 320), n counted from the centre: symmetric, 0.08 at
/// n = -160. The phase of its transform does not matter here, so the transform is taken about the centre, where cosines are even and sines odd:
///     Re X[k] = sum_{n=0..160} w[n] e[n] cos(2 pi k n / N),   e[n] = x[c + n] + x[c - n],   e[0] = x[c],  e[160] = x[c - 160]
///     Im X[k] = sum_{n=0..160} w[n] o[n] sin(2 pi k n / N),   o[n] = x[c + n] - x[c - n],   o[0] = 0,     o[160] = -x[c - 160]
/// (the sign of Im dropped). That halves the product, needs no power of two (N is 320 or 512), and only the 320 samples under the window are ever read:
/// an FFT of 512 would transform 192 zeros. In double, because the bins that matter reach 80 dB below the loudest, where single precision has few digits left.
/// </remarks>
internal sealed class FrameSpectrum
{
    /// <summary>Samples to each side of a frame's centre.</summary>
    public const int Half = 160;

    /// <summary>Samples from one frame to the next.</summary>
    public const int Hop = 160;

    /// <summary>Frames whose products are computed together.</summary>
    public const int Group = 4;

    /// <summary>Folded samples of a frame.</summary>
    public const int Taps = Half + 1;

    private static readonly int Lanes = Vector<double>.Count;

    private readonly double[] cosines, sines; // [block, Taps, 2 * Lanes], the window multiplied in

    public FrameSpectrum(int transformLength)
    {
        Bins = transformLength / 2 + 1;
        int width = 2 * Lanes;
        Stride = (Bins + width - 1) / width * width;
        cosines = new double[Stride * Taps];
        sines = new double[Stride * Taps];
        for (int bin = 0; bin < Bins; bin++)
        {
            for (int n = 0; n < Taps; n++)
            {
                double window = 0.54 + 0.46 * Math.Cos(Math.PI * n / Half);
                double angle = 2 * Math.PI * (bin * n % transformLength) / transformLength;
                int at = (bin / width * Taps + n) * width + bin % width;
                cosines[at] = window * Math.Cos(angle);
                sines[at] = window * Math.Sin(angle);
            }
        }
    }

    /// <summary>Frequencies from 0 to half the sample rate.</summary>
    public int Bins { get; }

    /// <summary>Distance between the frames of a power buffer: <see cref="Bins"/> rounded up to whole blocks.</summary>
    public int Stride { get; }

    /// <summary>Folds frames about their centres.</summary>
    /// <param name="padded">The signal with <see cref="Half"/> samples of padding at both ends.</param>
    /// <param name="firstFrame">The first frame to fold.</param>
    /// <param name="frames">How many.</param>
    /// <param name="even">[frames, Taps]; overwritten.</param>
    /// <param name="odd">[frames, Taps]; overwritten.</param>
    public static void Fold(ReadOnlySpan<float> padded, int firstFrame, int frames, Span<double> even, Span<double> odd)
    {
        for (int f = 0; f < frames; f++)
        {
            ReadOnlySpan<float> x = padded.Slice((firstFrame + f) * Hop, 2 * Half);
            Span<double> e = even.Slice(f * Taps, Taps), o = odd.Slice(f * Taps, Taps);
            (e[0], o[0]) = (x[Half], 0);
            for (int n = 1; n < Half; n++)
            {
                double right = x[Half + n], left = x[Half - n];
                e[n] = right + left;
                o[n] = right - left;
            }
            (e[Half], o[Half]) = (x[0], -x[0]);
        }
    }

    /// <summary>Power spectra of folded frames.</summary>
    /// <param name="even">[frames, Taps].</param>
    /// <param name="odd">[frames, Taps].</param>
    /// <param name="frames">A multiple of <see cref="Group"/>.</param>
    /// <param name="power">[frames, Stride]; overwritten; columns from <see cref="Bins"/> on are zero.</param>
    public void Power(ReadOnlySpan<double> even, ReadOnlySpan<double> odd, int frames, Span<double> power)
    {
        int width = 2 * Lanes;
        // A block of two vectors of bins stays in the first-level cache while all frames pass it.
        for (int column = 0; column < Stride; column += width)
        {
            ReadOnlySpan<double> cosines = this.cosines.AsSpan(column * Taps, Taps * width);
            ReadOnlySpan<double> sines = this.sines.AsSpan(column * Taps, Taps * width);
            for (int f = 0; f < frames; f += Group)
            {
                Span<double> target = power[(f * Stride + column)..];
                AddSquares(even.Slice(f * Taps, Group * Taps), cosines, target, add: false);
                AddSquares(odd.Slice(f * Taps, Group * Taps), sines, target, add: true);
            }
        }
    }

    /// <summary>target[f, bin] (+)= (sum_n x[f, n] table[n, bin])^2 for four frames and two vectors of bins: eight accumulators hide the latency of the multiply-add.</summary>
    private void AddSquares(ReadOnlySpan<double> x, ReadOnlySpan<double> table, Span<double> target, bool add)
    {
        Vector<double> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        ReadOnlySpan<double> a = x[..Taps], b = x.Slice(Taps, Taps), c = x.Slice(2 * Taps, Taps), d = x.Slice(3 * Taps, Taps);
        for (int n = 0; n < Taps; n++)
        {
            var t0 = new Vector<double>(table[(2 * n * Lanes)..]);
            var t1 = new Vector<double>(table[((2 * n + 1) * Lanes)..]);
            var v = new Vector<double>(a[n]);
            a0 = Vector.MultiplyAddEstimate(v, t0, a0);
            a1 = Vector.MultiplyAddEstimate(v, t1, a1);
            v = new Vector<double>(b[n]);
            b0 = Vector.MultiplyAddEstimate(v, t0, b0);
            b1 = Vector.MultiplyAddEstimate(v, t1, b1);
            v = new Vector<double>(c[n]);
            c0 = Vector.MultiplyAddEstimate(v, t0, c0);
            c1 = Vector.MultiplyAddEstimate(v, t1, c1);
            v = new Vector<double>(d[n]);
            d0 = Vector.MultiplyAddEstimate(v, t0, d0);
            d1 = Vector.MultiplyAddEstimate(v, t1, d1);
        }
        Store(a0, a1, target, add);
        Store(b0, b1, target[Stride..], add);
        Store(c0, c1, target[(2 * Stride)..], add);
        Store(d0, d1, target[(3 * Stride)..], add);
    }

    private static void Store(Vector<double> low, Vector<double> high, Span<double> target, bool add)
    {
        (low, high) = (low * low, high * high);
        if (add)
        {
            low += new Vector<double>(target);
            high += new Vector<double>(target[Lanes..]);
        }
        low.CopyTo(target);
        high.CopyTo(target[Lanes..]);
    }
}
