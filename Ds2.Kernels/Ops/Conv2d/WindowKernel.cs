using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary>The innermost loop of a convolution: some output channels at three vectors of positions, over the taps of the window.</summary>
/// <remarks>
/// As <see cref="TileKernel{TLanes}"/>, but B is not packed: a tap's row of B is the image itself, shifted, so each tap only has an offset.
/// Every image element is loaded from the first-level cache R S / stride times and copied never. Three vectors by four channels fill 16 registers,
/// by eight channels 28 of 32, and both divide the model's 32 channels. rNa, rNb and rNc hold row N of the tile, its three vectors.
/// </remarks>
internal static unsafe class WindowKernel<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <summary>The most channels of a tile.</summary>
    public static int Rows
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TLanes.Count == Lanes512.Count ? 8 : 4;
    }

    /// <summary>The positions of a tile.</summary>
    public static int Columns
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vectors * TLanes.Count;
    }

    /// <summary>The vectors of positions; each may lie anywhere.</summary>
    public const int Vectors = 3;

    // Taps in a round of the innermost loop, for the reasons of TileKernel's.
    private static int Unroll
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TileKernel<TLanes>.Unroll;
    }

    /// <summary>Adds the sums over some taps to one tile.</summary>
    /// <param name="taps">The number of taps.</param>
    /// <param name="weights">[taps, <see cref="Rows"/>]: one weight per tap and channel.</param>
    /// <param name="offsets">[taps]: where a tap looks, from the position's own address.</param>
    /// <param name="a">The first of the first vector's positions.</param>
    /// <param name="b">The second vector's.</param>
    /// <param name="c">The third vector's.</param>
    /// <param name="tile">[channels, <see cref="Columns"/>]; added to.</param>
    public static void Sum<TRows>(int taps, float* weights, int* offsets, float* a, float* b, float* c, float* tile)
        where TRows : struct, IRows
    {
        int step = Rows;
        Load(true, tile, 0, out TLanes r0a, out TLanes r0b, out TLanes r0c);
        Load(TRows.Count > 1, tile, 1, out TLanes r1a, out TLanes r1b, out TLanes r1c);
        Load(TRows.Count > 2, tile, 2, out TLanes r2a, out TLanes r2b, out TLanes r2c);
        Load(TRows.Count > 3, tile, 3, out TLanes r3a, out TLanes r3b, out TLanes r3c);
        Load(TRows.Count > 4, tile, 4, out TLanes r4a, out TLanes r4b, out TLanes r4c);
        Load(TRows.Count > 5, tile, 5, out TLanes r5a, out TLanes r5b, out TLanes r5c);
        Load(TRows.Count > 6, tile, 6, out TLanes r6a, out TLanes r6b, out TLanes r6c);
        Load(TRows.Count > 7, tile, 7, out TLanes r7a, out TLanes r7b, out TLanes r7c);
        int* end = offsets + taps;
        for (int* whole = offsets + (Unroll > 1 ? taps / Unroll * Unroll : 0); Unroll > 1 && offsets != whole; weights += Unroll * step, offsets += Unroll)
        {
            Add<TRows>(
                weights, *offsets, a, b, c,
                ref r0a, ref r0b, ref r0c, ref r1a, ref r1b, ref r1c, ref r2a, ref r2b, ref r2c, ref r3a, ref r3b, ref r3c,
                ref r4a, ref r4b, ref r4c, ref r5a, ref r5b, ref r5c, ref r6a, ref r6b, ref r6c, ref r7a, ref r7b, ref r7c);
            Add<TRows>(
                weights + step, offsets[1], a, b, c,
                ref r0a, ref r0b, ref r0c, ref r1a, ref r1b, ref r1c, ref r2a, ref r2b, ref r2c, ref r3a, ref r3b, ref r3c,
                ref r4a, ref r4b, ref r4c, ref r5a, ref r5b, ref r5c, ref r6a, ref r6b, ref r6c, ref r7a, ref r7b, ref r7c);
            Add<TRows>(
                weights + 2 * step, offsets[2], a, b, c,
                ref r0a, ref r0b, ref r0c, ref r1a, ref r1b, ref r1c, ref r2a, ref r2b, ref r2c, ref r3a, ref r3b, ref r3c,
                ref r4a, ref r4b, ref r4c, ref r5a, ref r5b, ref r5c, ref r6a, ref r6b, ref r6c, ref r7a, ref r7b, ref r7c);
            Add<TRows>(
                weights + 3 * step, offsets[3], a, b, c,
                ref r0a, ref r0b, ref r0c, ref r1a, ref r1b, ref r1c, ref r2a, ref r2b, ref r2c, ref r3a, ref r3b, ref r3c,
                ref r4a, ref r4b, ref r4c, ref r5a, ref r5b, ref r5c, ref r6a, ref r6b, ref r6c, ref r7a, ref r7b, ref r7c);
        }

        for (; offsets != end; weights += step, offsets++)
            Add<TRows>(
                weights, *offsets, a, b, c,
                ref r0a, ref r0b, ref r0c, ref r1a, ref r1b, ref r1c, ref r2a, ref r2b, ref r2c, ref r3a, ref r3b, ref r3c,
                ref r4a, ref r4b, ref r4c, ref r5a, ref r5b, ref r5c, ref r6a, ref r6b, ref r6c, ref r7a, ref r7b, ref r7c);

        Store(true, tile, 0, r0a, r0b, r0c);
        Store(TRows.Count > 1, tile, 1, r1a, r1b, r1c);
        Store(TRows.Count > 2, tile, 2, r2a, r2b, r2c);
        Store(TRows.Count > 3, tile, 3, r3a, r3b, r3c);
        Store(TRows.Count > 4, tile, 4, r4a, r4b, r4c);
        Store(TRows.Count > 5, tile, 5, r5a, r5b, r5c);
        Store(TRows.Count > 6, tile, 6, r6a, r6b, r6c);
        Store(TRows.Count > 7, tile, 7, r7a, r7b, r7c);
    }

    /// <summary><see cref="Sum{TRows}"/> with a number of channels that is known at run time only.</summary>
    public static void Sum(int channels, int taps, float* weights, int* offsets, float* a, float* b, float* c, float* tile)
    {
        switch (channels)
        {
            case 1:
                Sum<One>(taps, weights, offsets, a, b, c, tile);
                break;
            case 2:
                Sum<Two>(taps, weights, offsets, a, b, c, tile);
                break;
            case 3:
                Sum<Three>(taps, weights, offsets, a, b, c, tile);
                break;
            case 4:
                Sum<Four>(taps, weights, offsets, a, b, c, tile);
                break;
            case 5 when Rows >= 5:
                Sum<Five>(taps, weights, offsets, a, b, c, tile);
                break;
            case 6 when Rows >= 6:
                Sum<Six>(taps, weights, offsets, a, b, c, tile);
                break;
            case 7 when Rows >= 7:
                Sum<Seven>(taps, weights, offsets, a, b, c, tile);
                break;
            case 8 when Rows >= 8:
                Sum<Eight>(taps, weights, offsets, a, b, c, tile);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(channels));
        }
    }

    // One tap: each channel's weight times the image as the tap sees it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TRows>(
        float* weights, nint offset, float* a, float* b, float* c,
        ref TLanes r0a, ref TLanes r0b, ref TLanes r0c, ref TLanes r1a, ref TLanes r1b, ref TLanes r1c,
        ref TLanes r2a, ref TLanes r2b, ref TLanes r2c, ref TLanes r3a, ref TLanes r3b, ref TLanes r3c,
        ref TLanes r4a, ref TLanes r4b, ref TLanes r4c, ref TLanes r5a, ref TLanes r5b, ref TLanes r5c,
        ref TLanes r6a, ref TLanes r6b, ref TLanes r6c, ref TLanes r7a, ref TLanes r7b, ref TLanes r7c)
        where TRows : struct, IRows
    {
        TLanes xa = TLanes.Load(a + offset), xb = TLanes.Load(b + offset), xc = TLanes.Load(c + offset);
        TLanes weight = TLanes.All(*weights);
        TLanes.AddProduct(ref r0a, weight, xa);
        TLanes.AddProduct(ref r0b, weight, xb);
        TLanes.AddProduct(ref r0c, weight, xc);
        if (TRows.Count > 1)
        {
            weight = TLanes.All(weights[1]);
            TLanes.AddProduct(ref r1a, weight, xa);
            TLanes.AddProduct(ref r1b, weight, xb);
            TLanes.AddProduct(ref r1c, weight, xc);
        }

        if (TRows.Count > 2)
        {
            weight = TLanes.All(weights[2]);
            TLanes.AddProduct(ref r2a, weight, xa);
            TLanes.AddProduct(ref r2b, weight, xb);
            TLanes.AddProduct(ref r2c, weight, xc);
        }

        if (TRows.Count > 3)
        {
            weight = TLanes.All(weights[3]);
            TLanes.AddProduct(ref r3a, weight, xa);
            TLanes.AddProduct(ref r3b, weight, xb);
            TLanes.AddProduct(ref r3c, weight, xc);
        }

        if (TRows.Count > 4)
        {
            weight = TLanes.All(weights[4]);
            TLanes.AddProduct(ref r4a, weight, xa);
            TLanes.AddProduct(ref r4b, weight, xb);
            TLanes.AddProduct(ref r4c, weight, xc);
        }

        if (TRows.Count > 5)
        {
            weight = TLanes.All(weights[5]);
            TLanes.AddProduct(ref r5a, weight, xa);
            TLanes.AddProduct(ref r5b, weight, xb);
            TLanes.AddProduct(ref r5c, weight, xc);
        }

        if (TRows.Count > 6)
        {
            weight = TLanes.All(weights[6]);
            TLanes.AddProduct(ref r6a, weight, xa);
            TLanes.AddProduct(ref r6b, weight, xb);
            TLanes.AddProduct(ref r6c, weight, xc);
        }

        if (TRows.Count > 7)
        {
            weight = TLanes.All(weights[7]);
            TLanes.AddProduct(ref r7a, weight, xa);
            TLanes.AddProduct(ref r7b, weight, xb);
            TLanes.AddProduct(ref r7c, weight, xc);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(bool exists, float* tile, int row, out TLanes a, out TLanes b, out TLanes c)
    {
        tile += row * Columns;
        a = exists ? TLanes.Load(tile) : default;
        b = exists ? TLanes.Load(tile + TLanes.Count) : default;
        c = exists ? TLanes.Load(tile + 2 * TLanes.Count) : default;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(bool exists, float* tile, int row, TLanes a, TLanes b, TLanes c)
    {
        if (!exists)
            return;
        tile += row * Columns;
        a.Store(tile);
        b.Store(tile + TLanes.Count);
        c.Store(tile + 2 * TLanes.Count);
    }
}
