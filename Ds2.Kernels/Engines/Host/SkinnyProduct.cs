using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The product of a few rows with a wide, packed matrix: what a recurrence does once a frame.</summary>
/// <remarks>
/// The matrix is packed in panels of three registers' width; a panel holds its columns' elements of the first row, then of the second, and so on, so that
/// it streams through the core from end to end. All rows of the batch are multiplied by an element while it is in a register: eight rows by three
/// registers are the 24 accumulators that 32 registers have room for, four rows by three the 12 of 16.
/// </remarks>
internal static unsafe class SkinnyProduct<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <summary>The rows that one call may have.</summary>
    public const int MaxRows = 8;

    /// <summary>The columns of a panel.</summary>
    public static int Width => 3 * TLanes.Count;

    // Only the widest registers come in a set of 32.
    private static bool Wide => TLanes.Count == Lanes512.Count;

    /// <summary>result[i, j] = sum over p of rows[i][p] panel[p, j].</summary>
    /// <param name="rows">Where each row begins.</param>
    /// <param name="count">Rows, 1..<see cref="MaxRows"/>.</param>
    /// <param name="length">Elements of a row; 0 gives zeros.</param>
    /// <param name="panel">[length, Width].</param>
    /// <param name="result">[MaxRows, Width]; rows from count on are undefined.</param>
    public static void Multiply(float** rows, int count, int length, float* panel, float* result)
    {
        // Absent rows of a block repeat its last one: the panel's traffic, not the arithmetic, sets the time.
        if (count > 4 && Wide)
        {
            Eight(
                rows[0], rows[1], rows[2], rows[3], rows[4], rows[Math.Min(5, count - 1)], rows[Math.Min(6, count - 1)], rows[Math.Min(7, count - 1)],
                length, panel, result);
            return;
        }

        for (int i = 0; i < count; i += 4)
            Four(
                rows[i], rows[Math.Min(i + 1, count - 1)], rows[Math.Min(i + 2, count - 1)], rows[Math.Min(i + 3, count - 1)],
                length, panel, result + i * Width);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(float* r0, float* r1, float* r2, float* r3, nint length, float* panel, float* result)
    {
        TLanes a0 = default, a1 = default, a2 = default, b0 = default, b1 = default, b2 = default;
        TLanes c0 = default, c1 = default, c2 = default, d0 = default, d1 = default, d2 = default;
        for (nint p = 0; p < length; p++, panel += Width)
        {
            TLanes u0 = TLanes.Load(panel), u1 = TLanes.Load(panel + TLanes.Count), u2 = TLanes.Load(panel + 2 * TLanes.Count);
            TLanes h = TLanes.All(r0[p]);
            a0 = TLanes.MultiplyAdd(h, u0, a0);
            a1 = TLanes.MultiplyAdd(h, u1, a1);
            a2 = TLanes.MultiplyAdd(h, u2, a2);
            h = TLanes.All(r1[p]);
            b0 = TLanes.MultiplyAdd(h, u0, b0);
            b1 = TLanes.MultiplyAdd(h, u1, b1);
            b2 = TLanes.MultiplyAdd(h, u2, b2);
            h = TLanes.All(r2[p]);
            c0 = TLanes.MultiplyAdd(h, u0, c0);
            c1 = TLanes.MultiplyAdd(h, u1, c1);
            c2 = TLanes.MultiplyAdd(h, u2, c2);
            h = TLanes.All(r3[p]);
            d0 = TLanes.MultiplyAdd(h, u0, d0);
            d1 = TLanes.MultiplyAdd(h, u1, d1);
            d2 = TLanes.MultiplyAdd(h, u2, d2);
        }

        Store(result, a0, a1, a2);
        Store(result + Width, b0, b1, b2);
        Store(result + 2 * Width, c0, c1, c2);
        Store(result + 3 * Width, d0, d1, d2);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Eight(
        float* r0, float* r1, float* r2, float* r3, float* r4, float* r5, float* r6, float* r7, nint length, float* panel, float* result)
    {
        TLanes a0 = default, a1 = default, a2 = default, b0 = default, b1 = default, b2 = default;
        TLanes c0 = default, c1 = default, c2 = default, d0 = default, d1 = default, d2 = default;
        TLanes e0 = default, e1 = default, e2 = default, f0 = default, f1 = default, f2 = default;
        TLanes g0 = default, g1 = default, g2 = default, h0 = default, h1 = default, h2 = default;
        for (nint p = 0; p < length; p++, panel += Width)
        {
            TLanes u0 = TLanes.Load(panel), u1 = TLanes.Load(panel + TLanes.Count), u2 = TLanes.Load(panel + 2 * TLanes.Count);
            TLanes x = TLanes.All(r0[p]);
            a0 = TLanes.MultiplyAdd(x, u0, a0);
            a1 = TLanes.MultiplyAdd(x, u1, a1);
            a2 = TLanes.MultiplyAdd(x, u2, a2);
            x = TLanes.All(r1[p]);
            b0 = TLanes.MultiplyAdd(x, u0, b0);
            b1 = TLanes.MultiplyAdd(x, u1, b1);
            b2 = TLanes.MultiplyAdd(x, u2, b2);
            x = TLanes.All(r2[p]);
            c0 = TLanes.MultiplyAdd(x, u0, c0);
            c1 = TLanes.MultiplyAdd(x, u1, c1);
            c2 = TLanes.MultiplyAdd(x, u2, c2);
            x = TLanes.All(r3[p]);
            d0 = TLanes.MultiplyAdd(x, u0, d0);
            d1 = TLanes.MultiplyAdd(x, u1, d1);
            d2 = TLanes.MultiplyAdd(x, u2, d2);
            x = TLanes.All(r4[p]);
            e0 = TLanes.MultiplyAdd(x, u0, e0);
            e1 = TLanes.MultiplyAdd(x, u1, e1);
            e2 = TLanes.MultiplyAdd(x, u2, e2);
            x = TLanes.All(r5[p]);
            f0 = TLanes.MultiplyAdd(x, u0, f0);
            f1 = TLanes.MultiplyAdd(x, u1, f1);
            f2 = TLanes.MultiplyAdd(x, u2, f2);
            x = TLanes.All(r6[p]);
            g0 = TLanes.MultiplyAdd(x, u0, g0);
            g1 = TLanes.MultiplyAdd(x, u1, g1);
            g2 = TLanes.MultiplyAdd(x, u2, g2);
            x = TLanes.All(r7[p]);
            h0 = TLanes.MultiplyAdd(x, u0, h0);
            h1 = TLanes.MultiplyAdd(x, u1, h1);
            h2 = TLanes.MultiplyAdd(x, u2, h2);
        }

        Store(result, a0, a1, a2);
        Store(result + Width, b0, b1, b2);
        Store(result + 2 * Width, c0, c1, c2);
        Store(result + 3 * Width, d0, d1, d2);
        Store(result + 4 * Width, e0, e1, e2);
        Store(result + 5 * Width, f0, f1, f2);
        Store(result + 6 * Width, g0, g1, g2);
        Store(result + 7 * Width, h0, h1, h2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* row, TLanes first, TLanes second, TLanes third)
    {
        first.Store(row);
        second.Store(row + TLanes.Count);
        third.Store(row + 2 * TLanes.Count);
    }
}
