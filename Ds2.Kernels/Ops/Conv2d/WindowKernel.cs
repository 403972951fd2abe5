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
    /// <summary>The sums over all taps for one tile.</summary>
    /// <param name="taps">The number of taps.</param>
    /// <param name="weights">[taps, <see cref="TileKernel{TLanes}.Rows"/>]: one weight per tap and channel.</param>
    /// <param name="offsets">[taps]: where a tap looks, from the position's own address.</param>
    /// <param name="left">The first of the left vector's positions.</param>
    /// <param name="right">The first of the right vector's positions.</param>
    /// <param name="tile">[channels, two vectors]; overwritten.</param>
    public static void Sum<TRows>(int taps, float* weights, int* offsets, float* left, float* right, float* tile)
        where TRows : struct, IRows
    {
        int step = TileKernel<TLanes>.Rows;
        TLanes r0l = default, r0r = default;
        TLanes r1l = default, r1r = default;
        TLanes r2l = default, r2r = default;
        TLanes r3l = default, r3r = default;
        TLanes r4l = default, r4r = default;
        TLanes r5l = default, r5r = default;
        TLanes r6l = default, r6r = default;
        TLanes r7l = default, r7r = default;
        TLanes r8l = default, r8r = default;
        TLanes r9l = default, r9r = default;
        TLanes r10l = default, r10r = default;
        TLanes r11l = default, r11r = default;
        for (; taps > 0; taps--, weights += step, offsets++)
        {
            nint offset = *offsets;
            TLanes near = TLanes.Load(left + offset), far = TLanes.Load(right + offset);
            TLanes weight = TLanes.All(*weights);
            r0l = TLanes.MultiplyAdd(weight, near, r0l);
            r0r = TLanes.MultiplyAdd(weight, far, r0r);
            if (TRows.Count > 1)
            {
                weight = TLanes.All(weights[1]);
                r1l = TLanes.MultiplyAdd(weight, near, r1l);
                r1r = TLanes.MultiplyAdd(weight, far, r1r);
            }

            if (TRows.Count > 2)
            {
                weight = TLanes.All(weights[2]);
                r2l = TLanes.MultiplyAdd(weight, near, r2l);
                r2r = TLanes.MultiplyAdd(weight, far, r2r);
            }

            if (TRows.Count > 3)
            {
                weight = TLanes.All(weights[3]);
                r3l = TLanes.MultiplyAdd(weight, near, r3l);
                r3r = TLanes.MultiplyAdd(weight, far, r3r);
            }

            if (TRows.Count > 4)
            {
                weight = TLanes.All(weights[4]);
                r4l = TLanes.MultiplyAdd(weight, near, r4l);
                r4r = TLanes.MultiplyAdd(weight, far, r4r);
            }

            if (TRows.Count > 5)
            {
                weight = TLanes.All(weights[5]);
                r5l = TLanes.MultiplyAdd(weight, near, r5l);
                r5r = TLanes.MultiplyAdd(weight, far, r5r);
            }

            if (TRows.Count > 6)
            {
                weight = TLanes.All(weights[6]);
                r6l = TLanes.MultiplyAdd(weight, near, r6l);
                r6r = TLanes.MultiplyAdd(weight, far, r6r);
            }

            if (TRows.Count > 7)
            {
                weight = TLanes.All(weights[7]);
                r7l = TLanes.MultiplyAdd(weight, near, r7l);
                r7r = TLanes.MultiplyAdd(weight, far, r7r);
            }

            if (TRows.Count > 8)
            {
                weight = TLanes.All(weights[8]);
                r8l = TLanes.MultiplyAdd(weight, near, r8l);
                r8r = TLanes.MultiplyAdd(weight, far, r8r);
            }

            if (TRows.Count > 9)
            {
                weight = TLanes.All(weights[9]);
                r9l = TLanes.MultiplyAdd(weight, near, r9l);
                r9r = TLanes.MultiplyAdd(weight, far, r9r);
            }

            if (TRows.Count > 10)
            {
                weight = TLanes.All(weights[10]);
                r10l = TLanes.MultiplyAdd(weight, near, r10l);
                r10r = TLanes.MultiplyAdd(weight, far, r10r);
            }

            if (TRows.Count > 11)
            {
                weight = TLanes.All(weights[11]);
                r11l = TLanes.MultiplyAdd(weight, near, r11l);
                r11r = TLanes.MultiplyAdd(weight, far, r11r);
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
}
