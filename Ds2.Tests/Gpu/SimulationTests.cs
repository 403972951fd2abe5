using Ds2.Bench.Gpu;
using Ds2.Bench.Gpu.Estimate;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Gpu;

/// <summary>The estimate's trips through loops, and its figures beside those of a cycle-level simulation.</summary>
[TestFixture]
public sealed class SimulationTests
{
    private const double Tolerance = 0.1;

    [OneTimeSetUp]
    public void NeedsDisassembly()
    {
        if (CudaTools.WhyNoDisassembly(Chip.P100) is string missing)
            Assert.Ignore(missing);
    }

    /// <summary>Both ends of the estimate lie within a tenth of what was simulated, for the machine code that was simulated; of other code there is nothing to compare.</summary>
    [Test]
    public void Estimate_IsWithinATenthOfTheSimulation() => AssertNear(Simulation.Compare(P100Kernels.All));

    [Test]
    public void Estimate_OfTheStep_IsWithinATenthOfTheSimulation()
    {
        // As StepEstimate does, without what else that estimates.
        LaunchTimes step = LaunchTimes.Sum("all", [.. LaunchTimes.Of(StepEstimate.Record(RunOptions.Presets["mlperf"], 8, 1230, 60), P100Kernels.All)]);
        AssertNear([Simulation.Step(Simulation.Compare(P100Kernels.All), step)]);
    }

    /// <summary>Blocks of eight k, of which the last stands behind the loop.</summary>
    [TestCase(256, 31)]
    [TestCase(8, 1, Description = "never entered, and counted once: the kernel is over in no time")]
    public void Trips_OfAProduct_AreItsBlocksOfK(int k, int expected)
    {
        KernelLaunch launch = RecordedWork.Product(128, 128, k).Single();
        Assert.That(Trips(launch).Values, Is.EqualTo(new[] { expected }));
    }

    [Test]
    public void Loops_ThatTheEstimateDoesNotKnow_AreRefusedByName()
    {
        KernelLaunch launch = RecordedWork.Product(128, 128, 64).Single();
        CompiledKernel kernel = Of(launch);
        CodeLoop main = kernel.Code!.Inner.Single();
        Assert.Multiple(() =>
        {
            Refused(kernel.Code with { Inner = [] }, "1 loops expected, 0 found");
            Refused(kernel.Code with { Inner = [main, main] }, "1 loops expected, 2 found");
            Refused(kernel.Code with { Inner = [main with { Inner = [main] }] }, "0 loops expected, 1 found");
            Refused(kernel.Code with { Inner = [new CodeLoop(8, 16, [], [])] }, "does not do what products does");
        });

        void Refused(CodeLoop code, string difference) => Assert.That(
            () => P100Model.Estimate(LaunchWork.Of(launch), launch, kernel with { Code = code }, Reading.Optimistic),
            Throws.InvalidOperationException.With.Message.StartsWith(kernel.Name).And.Message.Contains(difference).And.Message.Contains("LoopTrips.cs"));
    }

    /// <summary>Kernels of which some loops were not multiplied by what lies around them would be estimated far too short.</summary>
    [Test]
    public void Trips_OfAStep_ComeToItsMultiplyAdds()
    {
        RunOptions options = RunOptions.Presets["mlperf"].With("hidden", "832").With("layers", "1");
        Assert.Multiple(() =>
        {
            // Of eight utterances all frames are one launch; of more each has its own.
            foreach (KernelLaunch launch in new[] { 8, 16 }.SelectMany(batch => StepEstimate.Record(options, batch, 200, 10)).Where(launch => LaunchWork.Of(launch).Flops > 0).DistinctBy(launch => (launch.Kernel, launch.Grid.GridDim)))
            {
                var work = LaunchWork.Of(launch);
                double made = Made(Of(launch).Code!, Trips(launch)) * 2 * launch.Grid.GroupDim.X * LaunchWork.Groups(launch);
                Assert.That(made, Is.InRange(0.95 * work.ComputedFlops, 2 * work.ComputedFlops), $"{CompiledKernel.NameOf(launch.Kernel)}, {launch.Grid.GridDim}");
            }
        });

        static double Made(CodeLoop code, IReadOnlyDictionary<CodeLoop, double> trips) => code.Mix.Ffma + code.Inner.Sum(loop => trips[loop] * Made(loop, trips));
    }

    [Test]
    public void Estimate_IsLongerAtThePessimisticEnd() => Assert.Multiple(() =>
    {
        foreach (SimulatedWork work in Simulation.Compare(P100Kernels.All))
            Assert.That(work.EstimatedSeconds, Is.GreaterThanOrEqualTo(work.OptimisticSeconds), work.Work);
    });

    private static void AssertNear(IReadOnlyList<SimulatedWork> figures)
    {
        foreach (SimulatedWork figure in figures)
        {
            string text = $"{figure.Work}: simulated {1e3 * figure.SimulatedLow:F3} .. {1e3 * figure.SimulatedHigh:F3} ms, estimated {1e3 * figure.OptimisticSeconds:F3} .. {1e3 * figure.EstimatedSeconds:F3} ms";
            TestContext.Out.WriteLine(text + (figure.IsSameCode ? "" : ", of other machine code: not compared"));
            Warn.Unless(figure.IsSameCode, $"{figure.Work}: the machine code is not that which was simulated");
        }

        Assert.Multiple(() =>
        {
            foreach (SimulatedWork figure in figures.Where(figure => figure.IsSameCode))
            {
                Assert.That(figure.OptimisticSeconds, Is.InRange((1 - Tolerance) * figure.SimulatedLow, (1 + Tolerance) * figure.SimulatedHigh), $"{figure.Work}, optimistic end");
                Assert.That(figure.EstimatedSeconds, Is.InRange((1 - Tolerance) * figure.SimulatedLow, (1 + Tolerance) * figure.SimulatedHigh), $"{figure.Work}, pessimistic end");
            }
        });
    }

    private static CompiledKernel Of(KernelLaunch launch) => P100Kernels.All.Single(kernel => kernel.Name == CompiledKernel.NameOf(launch.Kernel));

    private static IReadOnlyDictionary<CodeLoop, double> Trips(KernelLaunch launch) => LoopTrips.Of(launch, LaunchWork.Of(launch), Of(launch))!;
}
