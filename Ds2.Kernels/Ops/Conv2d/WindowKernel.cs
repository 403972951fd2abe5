using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary>The innermost loop of a convolution: some output channels at two vectors of neighbouring positions, over the taps of the window.</summary>
/// <remarks>
/// As <see cref="TileKernel{TLanes}"/>, but B is not packed: a tap's row of B is the image itself, shifted, so each tap only has an offset.
/// Every image element is loaded from the first-level cache R S / stride times and copied never.
/// </remarks>
internal static unsafe class WindowKernel<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <summary>Adds the sums over some taps to one tile.</summary>
    /// <param name="taps">The number of taps.</param>
    /// <param name="weights">[taps, <see cref="TileKernel{TLanes}.Rows"/>]: one weight per tap and channel.</param>
    /// <param name="offsets">[taps]: where a tap looks, from the position's own address.</param>
    /// <param name="left">The first of the left vector's positions.</param>
    /// <param name="right">The first of the right vector's positions.</param>
    /// <param name="tile">[channels, two vectors]; added to.</param>
    public static void Sum<TRows>(int taps, float* weights, int* offsets, float* left, float* right, float* tile)
        where TRows : struct, IRows
    {
        int step = TileKernel<TLanes>.Rows;
        TLanes r0l = Start(true, tile, 0), r0r = Start(true, tile, 1);
        TLanes r1l = Start(TRows.Count > 1, tile, 2), r1r = Start(TRows.Count > 1, tile, 3);
        TLanes r2l = Start(TRows.Count > 2, tile, 4), r2r = Start(TRows.Count > 2, tile, 5);
        TLanes r3l = Start(TRows.Count > 3, tile, 6), r3r = Start(TRows.Count > 3, tile, 7);
        TLanes r4l = Start(TRows.Count > 4, tile, 8), r4r = Start(TRows.Count > 4, tile, 9);
        TLanes r5l = Start(TRows.Count > 5, tile, 10), r5r = Start(TRows.Count > 5, tile, 11);
        TLanes r6l = Start(TRows.Count > 6, tile, 12), r6r = Start(TRows.Count > 6, tile, 13);
        TLanes r7l = Start(TRows.Count > 7, tile, 14), r7r = Start(TRows.Count > 7, tile, 15);
        TLanes r8l = Start(TRows.Count > 8, tile, 16), r8r = Start(TRows.Count > 8, tile, 17);
        TLanes r9l = Start(TRows.Count > 9, tile, 18), r9r = Start(TRows.Count > 9, tile, 19);
        TLanes r10l = Start(TRows.Count > 10, tile, 20), r10r = Start(TRows.Count > 10, tile, 21);
        TLanes r11l = Start(TRows.Count > 11, tile, 22), r11r = Start(TRows.Count > 11, tile, 23);
        for (int* end = offsets + taps; offsets != end; weights += step, offsets++)
        {
            nint offset = *offsets;
            TLanes near = TLanes.Load(left + offset), far = TLanes.Load(right + offset);
            TLanes weight = TLanes.All(*weights);
            TLanes.AddProduct(ref r0l, weight, near);
            TLanes.AddProduct(ref r0r, weight, far);
            if (TRows.Count > 1)
            {
                weight = TLanes.All(weights[1]);
                TLanes.AddProduct(ref r1l, weight, near);
                TLanes.AddProduct(ref r1r, weight, far);
            }

            if (TRows.Count > 2)
            {
                weight = TLanes.All(weights[2]);
                TLanes.AddProduct(ref r2l, weight, near);
                TLanes.AddProduct(ref r2r, weight, far);
            }

            if (TRows.Count > 3)
            {
                weight = TLanes.All(weights[3]);
                TLanes.AddProduct(ref r3l, weight, near);
                TLanes.AddProduct(ref r3r, weight, far);
            }

            if (TRows.Count > 4)
            {
                weight = TLanes.All(weights[4]);
                TLanes.AddProduct(ref r4l, weight, near);
                TLanes.AddProduct(ref r4r, weight, far);
            }

            if (TRows.Count > 5)
            {
                weight = TLanes.All(weights[5]);
                TLanes.AddProduct(ref r5l, weight, near);
                TLanes.AddProduct(ref r5r, weight, far);
            }

            if (TRows.Count > 6)
            {
                weight = TLanes.All(weights[6]);
                TLanes.AddProduct(ref r6l, weight, near);
                TLanes.AddProduct(ref r6r, weight, far);
            }

            if (TRows.Count > 7)
            {
                weight = TLanes.All(weights[7]);
                TLanes.AddProduct(ref r7l, weight, near);
                TLanes.AddProduct(ref r7r, weight, far);
            }

            if (TRows.Count > 8)
            {
                weight = TLanes.All(weights[8]);
                TLanes.AddProduct(ref r8l, weight, near);
                TLanes.AddProduct(ref r8r, weight, far);
            }

            if (TRows.Count > 9)
            {
                weight = TLanes.All(weights[9]);
                TLanes.AddProduct(ref r9l, weight, near);
                TLanes.AddProduct(ref r9r, weight, far);
            }

            if (TRows.Count > 10)
            {
                weight = TLanes.All(weights[10]);
                TLanes.AddProduct(ref r10l, weight, near);
                TLanes.AddProduct(ref r10r, weight, far);
            }

            if (TRows.Count > 11)
            {
                weight = TLanes.All(weights[11]);
                TLanes.AddProduct(ref r11l, weight, near);
                TLanes.AddProduct(ref r11r, weight, far);
            }
        }

        r0l.Store(tile);
        r0r.Store(tile + TLanes.Count);
        if (TRows.Count > 1)
        {
            r1l.Store(tile + 2 * TLanes.Count);
            r1r.Store(tile + 3 * TLanes.Count);
        }

        if (TRows.Count > 2)
        {
            r2l.Store(tile + 4 * TLanes.Count);
            r2r.Store(tile + 5 * TLanes.Count);
        }

        if (TRows.Count > 3)
        {
            r3l.Store(tile + 6 * TLanes.Count);
            r3r.Store(tile + 7 * TLanes.Count);
        }

        if (TRows.Count > 4)
        {
            r4l.Store(tile + 8 * TLanes.Count);
            r4r.Store(tile + 9 * TLanes.Count);
        }

        if (TRows.Count > 5)
        {
            r5l.Store(tile + 10 * TLanes.Count);
            r5r.Store(tile + 11 * TLanes.Count);
        }

        if (TRows.Count > 6)
        {
            r6l.Store(tile + 12 * TLanes.Count);
            r6r.Store(tile + 13 * TLanes.Count);
        }

        if (TRows.Count > 7)
        {
            r7l.Store(tile + 14 * TLanes.Count);
            r7r.Store(tile + 15 * TLanes.Count);
        }

        if (TRows.Count > 8)
        {
            r8l.Store(tile + 16 * TLanes.Count);
            r8r.Store(tile + 17 * TLanes.Count);
        }

        if (TRows.Count > 9)
        {
            r9l.Store(tile + 18 * TLanes.Count);
            r9r.Store(tile + 19 * TLanes.Count);
        }

        if (TRows.Count > 10)
        {
            r10l.Store(tile + 20 * TLanes.Count);
            r10r.Store(tile + 21 * TLanes.Count);
        }

        if (TRows.Count > 11)
        {
            r11l.Store(tile + 22 * TLanes.Count);
            r11r.Store(tile + 23 * TLanes.Count);
        }
    }

    /// <summary><see cref="Sum{TRows}"/> with a number of channels that is known at run time only.</summary>
    public static void Sum(int channels, int taps, float* weights, int* offsets, float* left, float* right, float* tile)
    {
        switch (channels)
        {
            case 1:
                Sum<One>(taps, weights, offsets, left, right, tile);
                break;
            case 2:
                Sum<Two>(taps, weights, offsets, left, right, tile);
                break;
            case 3:
                Sum<Three>(taps, weights, offsets, left, right, tile);
                break;
            case 4:
                Sum<Four>(taps, weights, offsets, left, right, tile);
                break;
            case 5:
                Sum<Five>(taps, weights, offsets, left, right, tile);
                break;
            case 6:
                Sum<Six>(taps, weights, offsets, left, right, tile);
                break;
            case 7 when TileKernel<TLanes>.Rows >= 7:
                Sum<Seven>(taps, weights, offsets, left, right, tile);
                break;
            case 8 when TileKernel<TLanes>.Rows >= 8:
                Sum<Eight>(taps, weights, offsets, left, right, tile);
                break;
            case 9 when TileKernel<TLanes>.Rows >= 9:
                Sum<Nine>(taps, weights, offsets, left, right, tile);
                break;
            case 10 when TileKernel<TLanes>.Rows >= 10:
                Sum<Ten>(taps, weights, offsets, left, right, tile);
                break;
            case 11 when TileKernel<TLanes>.Rows >= 11:
                Sum<Eleven>(taps, weights, offsets, left, right, tile);
                break;
            case 12 when TileKernel<TLanes>.Rows >= 12:
                Sum<Twelve>(taps, weights, offsets, left, right, tile);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(channels));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Start(bool exists, float* tile, int vector) => exists ? TLanes.Load(tile + vector * TLanes.Count) : default;
}
