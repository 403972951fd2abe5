using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary>The minimal filter F(2, 3) along columns: two neighbouring outputs of three taps with four multiplications instead of six.</summary>
/// <remarks>
/// With inputs d0..d3 and weights g0..g2,
/// y0 = d0 g0 + d1 g1 + d2 g2 = m0 + m1 + m2 and y1 = d1 g0 + d2 g1 + d3 g2 = m1 - m2 - m3, where
/// m0 = (d0 - d2) g0, m1 = (d1 + d2) (g0 + g1 + g2) / 2, m2 = (d2 - d1) (g0 - g1 + g2) / 2, m3 = (d1 - d3) g2.
/// A longer row of taps is a sum of such filters, so each m is a convolution by itself, of a quarter of the work: over every second column, and with
/// every third tap's group. The last group may have two taps (g2 = 0): m3 then lacks it, and an output still depends on its own window's elements only.
/// Eleven taps take 7.5 multiplications an output instead of 11; sums of two inputs cost about one bit.
/// Source: Winograd, "Arithmetic Complexity of Computations", SIAM 1980; Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
/// </remarks>
internal static unsafe class PairedColumns
{
    /// <summary>The convolutions that m0..m3 are.</summary>
    public const int Components = 4;

    /// <summary>Taps of a group.</summary>
    public const int GroupTaps = 3;

    /// <summary>Outputs that are computed together.</summary>
    public const int Outputs = 2;

    /// <summary>Whether it serves a window, and with fewer multiplications: one of a single step along columns, whose last group has two taps or three.</summary>
    public static bool Fits(in Window window) =>
        window.ColumnStep == 1 && window.TargetColumnStep == 1 && window.Columns % GroupTaps != 1
        && Components * Pieces(window.Columns, GroupTaps) < Outputs * window.Columns;

    /// <summary>The groups of taps that a component has.</summary>
    public static int Groups(int component, int columns) => component == Components - 1 ? columns / GroupTaps : Pieces(columns, GroupTaps);

    /// <summary>A component's weight of a group of taps.</summary>
    public static float Weight(int component, float g0, float g1, float g2) => component switch
    {
        0 => g0,
        1 => 0.5f * (g0 + g1 + g2),
        2 => 0.5f * (g0 - g1 + g2),
        _ => g2,
    };
}

/// <summary>The inputs of all components, from the even and the odd columns of a row.</summary>
/// <param name="even">Columns 0, 2, 4, ...; two more than are computed.</param>
/// <param name="odd">Columns 1, 3, 5, ...; one more than are computed.</param>
/// <param name="target">The first component's: for pairs that begin at even columns, then for those at odd ones.</param>
/// <param name="toOdd">Elements from the former to the latter.</param>
/// <param name="toNext">Elements from a component's to the next one's.</param>
internal readonly unsafe struct PairedInputs(float* even, float* odd, float* target, nint toOdd, nint toNext) : IElementwise
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply<TLanes>(int index)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        TLanes d0 = TLanes.Load(even + index), d1 = TLanes.Load(odd + index), d2 = TLanes.Load(even + index + 1);
        TLanes d3 = TLanes.Load(odd + index + 1), d4 = TLanes.Load(even + index + 2);
        float* to = target + index;
        (d0 - d2).Store(to);
        (d1 - d3).Store(to + toOdd);
        to += toNext;
        (d1 + d2).Store(to);
        (d2 + d3).Store(to + toOdd);
        to += toNext;
        (d2 - d1).Store(to);
        (d3 - d2).Store(to + toOdd);
        to += toNext;
        (d1 - d3).Store(to);
        (d2 - d4).Store(to + toOdd);
    }
}

/// <summary>Pairs of outputs from the components' sums.</summary>
/// <param name="sums">The first component's.</param>
/// <param name="toNext">Elements from a component's to the next one's.</param>
/// <param name="bias">Is added to each.</param>
/// <param name="even">The first outputs of the pairs.</param>
/// <param name="odd">The second ones.</param>
internal readonly unsafe struct PairedOutputs(float* sums, nint toNext, float bias, float* even, float* odd) : IElementwise
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply<TLanes>(int index)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        float* from = sums + index;
        TLanes m0 = TLanes.Load(from), m1 = TLanes.Load(from + toNext), m2 = TLanes.Load(from + 2 * toNext), m3 = TLanes.Load(from + 3 * toNext);
        (m0 + m1 + m2 + TLanes.All(bias)).Store(even + index);
        (m1 - m2 - m3 + TLanes.All(bias)).Store(odd + index);
    }
}
