using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>A computation that treats every index of a range alike.</summary>
internal interface IElementwise
{
    /// <summary>Whether it is a few instructions and loop control would take as long: it is then unrolled. Larger kernels the compiler would not inline so often.</summary>
    static virtual bool IsLight => false;

    /// <summary>Computes the elements index .. index + TLanes.Count - 1.</summary>
    /// <remarks>To be marked <see cref="MethodImplOptions.AggressiveInlining"/>: a call for each register's elements costs more than most kernels' work.</remarks>
    void Apply<TLanes>(int index)
        where TLanes : unmanaged, ILanes<TLanes>;
}

/// <summary>Runs an <see cref="IElementwise"/> over a range with the widest registers, and its tail with narrower ones.</summary>
internal static class Elementwise
{
    // 64 KiB an array: a thread's wake-up costs far less than the work. And 256 KiB: with fewer elements, handing parts out takes a twentieth of the time of the
    // lightest kernels.
    private const int LeastPart = 16384;
    private const int MostPart = 65536;
    private const int PartsPerThread = 4;

    /// <summary>Applies a kernel to 0..length-1, split over the workers.</summary>
    public static void Run<TKernel>(WorkerPool workers, TKernel kernel, int length)
        where TKernel : struct, IElementwise
    {
        if (length <= LeastPart)
        {
            Run(kernel, length);
            return;
        }

        int size = Math.Clamp(Up(Pieces(length, PartsPerThread * workers.Threads), Lanes512.Count), LeastPart, MostPart);
        workers.For(Pieces(length, size), part => Range(kernel, part * size, End(part, size, length)));
    }

    /// <summary>Applies a kernel to 0..length-1 on the calling thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run<TKernel>(TKernel kernel, int length)
        where TKernel : struct, IElementwise => Range(kernel, 0, length);

    private static void Range<TKernel>(TKernel kernel, int start, int end)
        where TKernel : struct, IElementwise
    {
        int i = start;
        if (Vector512.IsHardwareAccelerated)
            i = Whole<TKernel, Lanes512>(kernel, i, end);
        if (Vector256.IsHardwareAccelerated)
            i = Whole<TKernel, Lanes256>(kernel, i, end);
        if (Vector128.IsHardwareAccelerated)
            i = Whole<TKernel, Lanes128>(kernel, i, end);
        for (; i < end; i++)
            kernel.Apply<Lanes1>(i);
    }

    // As many whole registers as there are; returns the first element behind them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Whole<TKernel, TLanes>(TKernel kernel, int i, int end)
        where TKernel : struct, IElementwise
        where TLanes : unmanaged, ILanes<TLanes>
    {
        if (TKernel.IsLight)
            for (; i <= end - 4 * TLanes.Count; i += 4 * TLanes.Count)
            {
                kernel.Apply<TLanes>(i);
                kernel.Apply<TLanes>(i + TLanes.Count);
                kernel.Apply<TLanes>(i + 2 * TLanes.Count);
                kernel.Apply<TLanes>(i + 3 * TLanes.Count);
            }

        for (; i <= end - TLanes.Count; i += TLanes.Count)
            kernel.Apply<TLanes>(i);
        return i;
    }
}
