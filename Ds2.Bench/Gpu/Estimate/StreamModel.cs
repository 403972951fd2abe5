using System.Reflection;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>How long a launch should take on a P100 whose groups keep some of U and read the rest frame after frame.</summary>
/// <remarks>
/// In a frame memory brings the weights that stream, the second-level cache these and the states, or gradients, that every group reads, and the schedulers go through the chunks; the longest of the three counts. Before the
/// first chunk and behind the last are the wait for the other groups (in which a group stores its results and loads what the next frame's cells need), the first states, the slices' sums and the cells, one after the other. Meanwhile memory brings what the group has asked for: each thread's
/// weights of the next chunk that streams.
/// </remarks>
internal static class StreamModel
{
    private const int WarpsOfScheduler = GruStreamProduct.Threads / 32 / 2;

    /// <summary>Bytes of a thread's weights of a chunk.</summary>
    private const int PieceBytes = GruStreamProduct.KeptLength / GruStreamProduct.Threads * 16;

    /// <summary>The sizes of a launch that computes all frames; null of any other, those among them that pack for it and have these sizes too.</summary>
    public static GruStream? PassOf(KernelLaunch launch) =>
        launch.Kernel.GetCustomAttribute<GpuKernelAttribute>()!.IsCooperative && launch.Arguments.OfType<GruStream>().ToArray() is [GruStream pass] ? pass : null;

    /// <summary>Multiply-adds of a thread and chunk.</summary>
    public static double PieceProducts(KernelLaunch launch) =>
        GruStreamProduct.Depth(launch.Kernel.Name.Contains("Half", StringComparison.Ordinal)) * GruStreamProduct.Outputs * GruStreamProduct.Utterances;

    /// <summary>The weights that stream in a frame.</summary>
    public static double StreamedBytes(KernelLaunch launch, GruStream pass) => ChunkBytes(launch, pass) * Math.Max(0, pass.Chunks - GruStreamProduct.Staying);

    /// <summary>The weights that stay.</summary>
    public static double StayingBytes(KernelLaunch launch, GruStream pass) => ChunkBytes(launch, pass) * Math.Min(pass.Chunks, GruStreamProduct.Staying);

    /// <summary>In seconds.</summary>
    public static double Seconds(KernelLaunch launch, GruStream pass, CompiledKernel kernel, IReadOnlyDictionary<CodeLoop, double> trips, LaunchWork work, Reading reading)
    {
        CodeLoop frame = kernel.Code!.Inner.Single();
        CodeLoop[] streams = [.. frame.Inner.Where(loop => loop.Mix.Ffma >= PieceProducts(launch))];
        CodeLoop looks = frame.Inner[0];
        int wait = Before(looks.First), first = Before(streams[0].First), behind = Before(streams[^1].Last + 1);
        int arrives = frame.Own.ToList().FindLastIndex(instruction => instruction.Name is "RED" or "ATOM") + 1;
        double chunks = Cycles(Walk(frame, false, first, behind)) + streams.Sum(loop => trips[loop] * Cycles(Walk(loop, true)));
        double meanwhile = Cycles(Walk(frame, false, arrives)) + Cycles(Walk(frame, false, 0, wait));
        double between = Cycles(Walk(frame, false, wait, first)) + Cycles(Walk(frame, false, behind, arrives)) + frame.Inner.Except(streams).Except([looks]).Sum(loop => trips[loop] * Cycles(Walk(loop, true)));

        double memory = work.Bytes / pass.T / (reading.MemoryShare * P100Model.PeakBandwidth);
        double cache = (StreamedBytes(launch, pass) + LaunchWork.Groups(launch) * 4.0 * pass.FrameLength) / P100Model.CacheBandwidth;
        double chain = Math.Max(PassModel.Barrier, meanwhile / P100Model.ClockHertz) + between / P100Model.ClockHertz;
        double ahead = ChunkBytes(launch, pass) / (reading.MemoryShare * P100Model.PeakBandwidth);
        return pass.T * (Math.Max(Math.Max(memory, cache), chunks / P100Model.ClockHertz) + Math.Max(0, chain - ahead));

        int Before(int address) => frame.Own.TakeWhile(instruction => instruction.Address < address).Count();

        WarpWalk Walk(CodeLoop loop, bool repeats, int from = 0, int to = int.MaxValue) =>
            WarpWalk.Of(loop, repeats, WarpsOfScheduler, P100Model.LoadLatency * P100Model.ClockHertz, reading.ConflictsCost, from, to);

        static double Cycles(WarpWalk walk) => (WarpsOfScheduler * walk.BusyCycles) + walk.WaitCycles;
    }

    /// <summary>The weights of a chunk, of all groups.</summary>
    private static double ChunkBytes(KernelLaunch launch, GruStream pass) => (double)LaunchWork.Groups(launch) * pass.Lanes * pass.Slices * PieceBytes;
}
