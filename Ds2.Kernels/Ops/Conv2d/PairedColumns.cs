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
/// a tap for each group of three. Where the window moves by several columns, the columns and taps of each residue modulo that step make filters of their own.
/// The first group may have fewer taps than three (g0 = 0, and m0 lacks it): then the second output of a pair sees up to two of the residue's columns left of
/// its window, so up to twice the step, whose contributions cancel out up to rounding, unless they are NaN or infinite. To the right it sees nothing more: what
/// stands behind an utterance's end must not matter.
/// Eleven taps take 7.5 multiplications an output instead of 11. What sums of two inputs lose in accuracy, the shorter sums of products win back.
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

    /// <summary>Whether it serves a window with fewer multiplications.</summary>
    public static bool Fits(in Window window) => window.TargetColumnStep == 1 && Components * Groups(window, 1) < Outputs * window.Columns;

    /// <summary>The groups of a row of taps that a component has, one residue's after the other's; all but the first component have all.</summary>
    public static int Groups(in Window window, int component)
    {
        int groups = 0;
        for (int residue = 0; residue < window.ColumnStep; residue++)
            groups += Groups(window, component, residue);
        return groups;
    }

    /// <summary>Where a component's group is: which residue modulo the step its taps' columns have, and which of that residue's groups it is.</summary>
    public static (int Residue, int Group) Locate(in Window window, int component, int group)
    {
        int residue = 0;
        for (int some; group >= (some = Groups(window, component, residue)); residue++)
            group -= some;
        return (residue, group + Groups(window, 1, residue) - Groups(window, component, residue));
    }

    /// <summary>Whether a component has the group that is this one of all.</summary>
    public static bool Has(in Window window, int component, int group)
    {
        (int residue, int number) = Locate(window, 1, group);
        return number >= Groups(window, 1, residue) - Groups(window, component, residue);
    }

    /// <summary>Taps that a residue's first group lacks.</summary>
    public static int Absent(in Window window, int residue) => Groups(window, 1, residue) * GroupTaps - Columns(window, residue);

    /// <summary>The column of a group's tap, counted along the plane; negative for absent ones.</summary>
    public static int Column(in Window window, int residue, int group, int tap)
    {
        int number = group * GroupTaps + tap - Absent(window, residue);
        return number < 0 ? -1 : residue + number * window.ColumnStep;
    }

    /// <summary>A component's weight of a group of taps.</summary>
    public static float Weight(int component, float g0, float g1, float g2) => component switch
    {
        0 => g0,
        1 => 0.5f * (g0 + g1 + g2),
        2 => 0.5f * (g0 - g1 + g2),
        _ => g2,
    };

    /// <summary>Outputs of pairs from the components' sums, in their order.</summary>
    /// <param name="sums">The first component's, a register of them.</param>
    /// <param name="toNext">Elements from a component's sums to the next one's.</param>
    /// <param name="bias">Is added to each.</param>
    /// <param name="target">Two registers' length.</param>
    public static void Combine<TLanes>(float* sums, nint toNext, float bias, float* target)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        TLanes m0 = TLanes.Load(sums), m1 = TLanes.Load(sums + toNext), m2 = TLanes.Load(sums + 2 * toNext), m3 = TLanes.Load(sums + 3 * toNext);
        TLanes.StorePairs(m0 + m1 + m2 + TLanes.All(bias), m1 - m2 - m3 + TLanes.All(bias), target);
    }

    private static int Columns(in Window window, int residue) => Pieces(Math.Max(0, window.Columns - residue), window.ColumnStep);

    private static int Groups(in Window window, int component, int residue) =>
        component == 0 ? Columns(window, residue) / GroupTaps : Pieces(Columns(window, residue), GroupTaps);
}

/// <summary>The inputs of all components, for pairs of a row of inputs.</summary>
/// <param name="line">The row; two pairs more than are computed.</param>
/// <param name="target">The first component's: for pairs that begin at even elements, then for those at odd ones.</param>
/// <param name="toOdd">Elements from the former to the latter.</param>
/// <param name="toNext">Elements from a component's to the next one's.</param>
internal readonly unsafe struct PairedInputs(float* line, float* target, nint toOdd, nint toNext) : IElementwise
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply<TLanes>(int index)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        float* from = line + PairedColumns.Outputs * index, to = target + index;
        TLanes.LoadPairs(from, out TLanes d0, out TLanes d1);
        TLanes.LoadPairs(from + PairedColumns.Outputs, out TLanes d2, out TLanes d3);
        TLanes.LoadPairs(from + 2 * PairedColumns.Outputs, out TLanes d4, out _);
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
