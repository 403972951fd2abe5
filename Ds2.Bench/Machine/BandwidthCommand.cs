using System.CommandLine;
using System.Diagnostics;
using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Runtime;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Ds2.Bench.Machine;

/// <summary><c>bandwidth</c>: what a device's memory sustains under kernels that do little else, and what crosses between it and the host; each result is checked.</summary>
internal static class BandwidthCommand
{
    private const int Wrong = 1;
    private const double SecondsOfARepeat = 0.1;
    private const int Repeats = 5;
    private const float Filled = 0.375f;

    public static Command Create()
    {
        Option<DeviceChoice> device = DeviceOption.Create(DeviceKind.Auto);
        var megabytes = new Option<int>("--megabytes") { Description = "of each tensor", DefaultValueFactory = _ => 400 };
        var command = new Command("bandwidth", "What a device's memory and the way to it sustain: exit code 1 where a result is wrong.") { device, megabytes };
        command.SetAction(parsed =>
        {
            int size = parsed.GetValue(megabytes);
            if (size is < 1 or > 2000)
                throw new InputException($"--megabytes {size}: must be between 1 and 2000");
            using IEngine engine = DeviceOption.Engine(parsed.GetValue(device));
            return Run(engine, size) ? 0 : Wrong;
        });
        return command;
    }

    private static bool Run(IEngine engine, int megabytes)
    {
        int length = megabytes * (1_000_000 / sizeof(float));
        double bytes = (double)length * sizeof(float);
        using Tensor a = engine.Allocate(new Shape(length)), b = engine.Allocate(new Shape(length)), norm = engine.Allocate(new Shape(2));
        GradientNorm squares = GradientNorm.On(engine);
        using var workspace = new Workspace(engine);
        workspace.Reserve(squares.WorkspaceFor(length));
        float[] sent = [.. Enumerable.Range(0, length).Select(i => (float)(i % 8191))], received = new float[length];

        // In this order: each starts from what the one before has left.
        List<Transfer> transfers =
        [
            new("host to device, pageable memory", bytes, () => a.CopyFrom(sent), null),
            new("device to host", bytes, () => a.CopyTo(received), () => received.AsSpan().SequenceEqual(sent)),
            new("host to device, Prefetch (CUDA: page-locked)", bytes, () =>
            {
                b.Prefetch(sent);
                engine.AwaitPrefetch();
            }, () => b.ToArray().AsSpan().SequenceEqual(sent)),
            new("device: fill kernel, writes", bytes, () => a.Fill(Filled), () => a.ToArray().All(value => value == Filled)),
            new("device: squares of the gradient norm, reads", bytes, () => squares.Compute(a, 400, norm, workspace),
                () => Math.Abs(norm.ToArray()[0] / (Filled * Math.Sqrt(length)) - 1) < 1e-5),
        ];
        if (engine is IlgpuEngine gpu)
            transfers.Insert(3, new("device: the driver's copy, reads and writes", 2 * bytes, () => b.View().CopyTo(gpu.Stream, a.View()), () => a.ToArray().AsSpan().SequenceEqual(sent)));

        double? peak = Peak(engine);
        Console.WriteLine(engine.Name);
        Console.WriteLine(peak is null ? "peak of its memory: not known" : $"peak of its memory, by the driver's clock and bus width: {peak / 1e9:F0} GB/s");
        Console.WriteLine($"{$"tensors of {megabytes} MB",-46} {"GB/s",8} {"best",8} {"of peak",8}");
        bool right = true;
        foreach (Transfer transfer in transfers)
        {
            double[] seconds = Seconds(engine, transfer.Call);
            double rate = transfer.Bytes / seconds.Median();
            bool isRight = transfer.IsRight?.Invoke() ?? true;
            right &= isRight;
            string share = peak is not null && transfer.Name.StartsWith("device:", StringComparison.Ordinal) ? $"{100 * rate / peak:F0} %" : "-";
            Console.WriteLine($"{transfer.Name,-46} {rate / 1e9,8:F1} {transfer.Bytes / seconds.Min() / 1e9,8:F1} {share,8}{(isRight ? "" : "  WRONG RESULT")}");
        }

        return right;
    }

    /// <summary>Bytes a second that the memory's pins can carry: megahertz, two transfers a cycle, bits; null where no driver tells. A P100's data sheet has the same.</summary>
    private static double? Peak(IEngine engine) =>
        engine is IlgpuEngine { Accelerator: CudaAccelerator { MemoryClockRate: > 0, MemoryBusWidth: > 0 } cuda } ? 2e6 * cuda.MemoryClockRate * cuda.MemoryBusWidth / 8 : null;

    /// <summary>Mean seconds of a call, in each of several repeats; of a slow device's, one.</summary>
    private static double[] Seconds(IEngine engine, Action call)
    {
        Mean(1); // compiles
        double once = Mean(1);
        int calls = Math.Clamp((int)(SecondsOfARepeat / Math.Max(once, 1e-6)), 1, 1000);
        return once > 1 ? [once] : [.. Enumerable.Range(0, Repeats).Select(_ => Mean(calls))];

        double Mean(int count)
        {
            engine.Synchronize();
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < count; i++)
                call();
            engine.Synchronize();
            return Stopwatch.GetElapsedTime(start).TotalSeconds / count;
        }
    }

    /// <summary>What is timed.</summary>
    /// <param name="Name">As it is printed.</param>
    /// <param name="Bytes">Read and written.</param>
    /// <param name="Call">Queues it.</param>
    /// <param name="IsRight">Whether its result is what it must be; null where a later one's check shows it.</param>
    private sealed record Transfer(string Name, double Bytes, Action Call, Func<bool>? IsRight);
}
