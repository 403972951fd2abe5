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

    /// <summary>The simulated code is the one that it was told to be by when the simulation's figures came.</summary>
    [TestCase("GruForwardKernel.CellKernel", "CC8F5AEC")]
    [TestCase("GruBackwardKernel.CellGradientKernel", "9034EB22")]
    [TestCase("GruForwardKernel.CellHalfKernel", "15974FF9")]
    [TestCase("GruBackwardKernel.CellGradientHalfKernel", "9C8D2A38")]
    [TestCase("GemmKernels.MultiplyKernel", "B4278198")]
    [TestCase("CorrelationKernel.CorrelateKernel", "547DCAE4")]
    public void SimulatedCode_IsThatOfTheSimulation(string kernel, string digest) => Assert.That(SimulatedCode.Kernels[kernel].Code!.Digest, Is.EqualTo(digest));

    /// <summary>Both ends of the estimate lie within a tenth of what was simulated, for the machine code that was simulated.</summary>
    [TestCase("forward cell, batch 8, a frame", 0.148e-3, 0.148e-3)]
    [TestCase("backward cell, batch 8, a frame", 0.137e-3, 0.137e-3)]
    [TestCase("forward cell, fp16 U, batch 8, a frame", 0.087e-3, 0.087e-3)]
    [TestCase("backward cell, fp16 U, batch 8, a frame", 0.076e-3, 0.076e-3)]
    [TestCase("forward cell, batch 32, a frame", 0.35e-3, 0.37e-3)]
    [TestCase("product 7680 x 24000 x 2560", 107e-3, 117e-3)]
    [TestCase("convolutions' correlations of a step", 18e-3, 22e-3)]
    [TestCase("the step", 0.77, 0.81)]
    public void Estimate_OfSimulatedCode_IsWithinATenthOfTheSimulation(string work, double low, double high)
    {
        Bracket estimate = SimulatedCode.Estimate(work);
        TestContext.Out.WriteLine($"{work}: simulated {new Bracket(low, high)} ms, estimated {estimate} ms");
        Assert.Multiple(() =>
        {
            Assert.That(estimate.OptimisticSeconds, Is.InRange((1 - Tolerance) * low, (1 + Tolerance) * high), "optimistic end");
            Assert.That(estimate.EstimatedSeconds, Is.InRange((1 - Tolerance) * low, (1 + Tolerance) * high), "pessimistic end");
        });
    }

    [Test]
    public void Compare_HasTheWorkThatWasSimulated()
    {
        NeedsDisassembly();
        Assert.Multiple(() =>
        {
            foreach (SimulatedWork work in Simulation.Compare(P100Kernels.All))
            {
                Assert.That(work.Estimated.OptimisticSeconds, Is.InRange((1 - Tolerance) * work.Simulated.OptimisticSeconds, (1 + Tolerance) * work.Simulated.EstimatedSeconds), work.Work);
                Assert.That(work.Today.EstimatedSeconds, Is.GreaterThanOrEqualTo(work.Today.OptimisticSeconds), work.Work);
            }
        });
    }

    /// <summary>Blocks of eight k, of which the last stands behind the loop.</summary>
    [TestCase(256, 31)]
    [TestCase(8, 1, Description = "never entered, and counted once: the kernel is over in no time")]
    public void Trips_OfAProduct_AreItsBlocksOfK(int k, int expected)
    {
        NeedsDisassembly();
        KernelLaunch launch = RecordedWork.Product(128, 128, k).Single();
        Assert.That(Trips(launch).Values, Is.EqualTo(new[] { expected }));
    }

    [Test]
    public void Loops_ThatTheEstimateDoesNotKnow_AreRefusedByName()
    {
        NeedsDisassembly();
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
        NeedsDisassembly();
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

    private static void NeedsDisassembly()
    {
        if (CudaTools.WhyNoDisassembly(Chip.P100) is string missing)
            Assert.Ignore(missing);
    }

    private static CompiledKernel Of(KernelLaunch launch) => P100Kernels.All.Single(kernel => kernel.Name == CompiledKernel.NameOf(launch.Kernel));

    private static IReadOnlyDictionary<CodeLoop, double> Trips(KernelLaunch launch) => LoopTrips.Of(launch, LaunchWork.Of(launch), Of(launch))!;
}
