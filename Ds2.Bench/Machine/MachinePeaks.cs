using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Bench.Machine;

/// <summary>What this machine's cores and memory can do, measured with every thread of the host engine: what an op's rate is held against.</summary>
/// <param name="Flops">Operations a second of a loop of fused multiply-adds on registers.</param>
/// <param name="CopiedBytes">Bytes a second, read and written, of copying more than the caches hold.</param>
/// <param name="ReadBytes">Bytes a second of summing more than the caches hold.</param>
internal sealed unsafe record MachinePeaks(double Flops, double CopiedBytes, double ReadBytes)
{
    private const int Repeats = 7;
    private const int Rounds = 4_000_000;
    private const int Accumulators = 12; // a fused multiply-add takes four cycles and two begin in each: eight must be under way
    private const nint BytesOfABuffer = 256 << 20;
    private const int Block = 1 << 20;

    /// <summary>The best of several repetitions of each loop, half a second in all.</summary>
    public static MachinePeaks Measure(int threads = 0) => Measure(threads, Best);

    /// <summary>The mean of as many repetitions of each loop as fill a time, other guests of the machine included.</summary>
    public static MachinePeaks Mean(int threads, double seconds) => Measure(threads, loop => Timing.Mean(loop, seconds));

    private static MachinePeaks Measure(int threads, Func<Action, double> time)
    {
        using var engine = new HostEngine(threads);
        WorkerPool workers = engine.Workers;
        void* source = NativeMemory.AlignedAlloc((nuint)BytesOfABuffer, Block), target = NativeMemory.AlignedAlloc((nuint)BytesOfABuffer, Block);
        try
        {
            NativeMemory.Fill(source, (nuint)BytesOfABuffer, 1);
            NativeMemory.Fill(target, (nuint)BytesOfABuffer, 2);
            var from = (nint)source;
            var to = (nint)target;
            var sinks = new float[workers.Threads];
            return Vector512.IsHardwareAccelerated ? Measure<Lanes512>(workers, from, to, sinks, time)
                : Vector256.IsHardwareAccelerated ? Measure<Lanes256>(workers, from, to, sinks, time)
                : Vector128.IsHardwareAccelerated ? Measure<Lanes128>(workers, from, to, sinks, time)
                : Measure<Lanes1>(workers, from, to, sinks, time);
        }
        finally
        {
            NativeMemory.AlignedFree(source);
            NativeMemory.AlignedFree(target);
        }
    }

    /// <summary>The peaks for people.</summary>
    public override string ToString() => $"{Flops / 1e9:F0} GFLOP/s of fused multiply-adds, {CopiedBytes / 1e9:F1} GB/s copying, {ReadBytes / 1e9:F1} GB/s reading";

    private static MachinePeaks Measure<TLanes>(WorkerPool workers, nint source, nint target, float[] sinks, Func<Action, double> time)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        int blocks = (int)(BytesOfABuffer / Block);
        double multiplied = time(() => workers.Phases(1, (worker, _) => sinks[worker] = MultiplyAdd<TLanes>(worker)));
        nint share = BytesOfABuffer / workers.Threads; // in one piece, so that the copy goes past the caches
        double copied = time(() => workers.Phases(1, (worker, _) => NativeMemory.Copy((byte*)source + worker * share, (byte*)target + worker * share, (nuint)share)));
        double read = time(() => workers.For(blocks, (worker, block) => sinks[worker] += Sum<TLanes>((float*)((byte*)source + (nint)block * Block), Block / sizeof(float))));
        return new MachinePeaks(2.0 * Rounds * Accumulators * TLanes.Count * workers.Threads / multiplied, 2.0 * share * workers.Threads / copied, BytesOfABuffer / read);
    }

    private static double Best(Action loop) => Enumerable.Range(0, Repeats).Min(_ =>
    {
        long start = Stopwatch.GetTimestamp();
        loop();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    });

    private static float MultiplyAdd<TLanes>(float start)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        TLanes factor = TLanes.All(0.5f), summand = TLanes.All(1);
        TLanes a = TLanes.All(start), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
        for (int round = 0; round < Rounds; round++)
        {
            a = TLanes.MultiplyAdd(a, factor, summand);
            b = TLanes.MultiplyAdd(b, factor, summand);
            c = TLanes.MultiplyAdd(c, factor, summand);
            d = TLanes.MultiplyAdd(d, factor, summand);
            e = TLanes.MultiplyAdd(e, factor, summand);
            f = TLanes.MultiplyAdd(f, factor, summand);
            g = TLanes.MultiplyAdd(g, factor, summand);
            h = TLanes.MultiplyAdd(h, factor, summand);
            i = TLanes.MultiplyAdd(i, factor, summand);
            j = TLanes.MultiplyAdd(j, factor, summand);
            k = TLanes.MultiplyAdd(k, factor, summand);
            l = TLanes.MultiplyAdd(l, factor, summand);
        }

        return First(a + b + c + d + e + f + g + h + i + j + k + l);
    }

    private static float Sum<TLanes>(float* source, int length)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        TLanes a = TLanes.All(0), b = a, c = a, d = a;
        for (int i = 0; i < length; i += 4 * TLanes.Count)
        {
            a += TLanes.Load(source + i);
            b += TLanes.Load(source + i + TLanes.Count);
            c += TLanes.Load(source + i + 2 * TLanes.Count);
            d += TLanes.Load(source + i + 3 * TLanes.Count);
        }

        return First(a + b + c + d);
    }

    private static float First<TLanes>(TLanes lanes)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        float* values = stackalloc float[TLanes.Count];
        lanes.Store(values);
        return values[0];
    }
}
