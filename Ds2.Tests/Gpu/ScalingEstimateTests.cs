using System.CommandLine;
using Ds2.Bench.Gpu;
using Ds2.Bench.Gpu.Estimate;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Runtime;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Gpu;

/// <summary>The estimate of a step that several ranks share.</summary>
[TestFixture]
public sealed class ScalingEstimateTests
{
    private const int Batch = 8;

    private static readonly double[] Rates = [1e6, 1e7, 1.1e8, 1e9, 1e10, 1e12];

    private static readonly int[] Ranks = [1, 2, 3, 4, 8, 64];

    // As uneven as a model's: little work on most bytes, much on few, a layer without parameters.
    private static readonly StepTimes Times = new(
        [new("conv", 1e6, 0.01, 0.03), new("", 0, 0.001, 0.001), new("rnns.0", 4e7, 0.02, 0.03), new("rnns.1", 1.2e8, 0.05, 0.02), new("fc.0", 2e6, 0.001, 0.002)],
        OtherSeconds: 0.004, UpdateSeconds: 0.012, AdditionSeconds: 0.003);

    private static IEnumerable<(Link Link, int Ranks, RankedStep Step)> Cases =>
        from rate in Rates
        from copy in new double?[] { null, 1e9, 12e9 }
        from latency in new[] { 0, 1e-5 }
        from ranks in Ranks
        let link = new Link(rate, copy, latency)
        select (link, ranks, RankedStep.Of(Times, Batch, ranks, link));

    /// <summary>Worked by hand, in seconds: parameters arrive at 2 and 6, so that the passes are at 3 and 8; back at 11 and 14 the gradients are gone at 15 and 17.</summary>
    [Test]
    public void Overlapped_IsThePipelineOfTheLayers()
    {
        var times = new StepTimes([new("first", 8e6, 1, 3), new("second", 16e6, 2, 3)], OtherSeconds: 0, UpdateSeconds: 0.5, AdditionSeconds: 0.25);
        var step = RankedStep.Of(times, Batch, 2, new Link(2e6, 4e6));
        Assert.Multiple(() =>
        {
            Assert.That(step.OverlappedStepSeconds, Is.EqualTo(17 + 0.25 + 0.125).Within(1e-9));
            Assert.That(step.StepSeconds, Is.EqualTo(9 + 0.25 + 0.125 + (6 + 6) + (6 + 6 + 3 + 3)).Within(1e-9), "gradients and parameters on the link; out, in, out, in");
            Assert.That(step.Efficiency, Is.EqualTo(9.5 / 39.375).Within(1e-9));
        });
    }

    [Test]
    public void OneRank_TakesTheSingleStep_OverAnyLink() => Assert.Multiple(() =>
    {
        foreach ((Link link, _, RankedStep step) in Cases.Where(one => one.Ranks == 1))
        {
            Assert.That(step.StepSeconds, Is.EqualTo(Times.ComputeSeconds + Times.UpdateSeconds), $"{link}");
            Assert.That(step.OverlappedStepSeconds, Is.EqualTo(step.StepSeconds).Within(1e-12), $"{link}");
            Assert.That(step.Efficiency, Is.EqualTo(1), $"{link}");
        }
    });

    [Test]
    public void LinkWithoutEnd_LosesOnlyTheSums()
    {
        StepTimes without = Times with { UpdateSeconds = 0, AdditionSeconds = 0 };
        Assert.Multiple(() =>
        {
            foreach (int ranks in Ranks)
            {
                var step = RankedStep.Of(without, Batch, ranks, new Link(double.PositiveInfinity));
                Assert.That(step.Efficiency, Is.EqualTo(1).Within(1e-12));
                Assert.That(step.OverlappedEfficiency, Is.EqualTo(1).Within(1e-12));
            }
        });
    }

    [Test]
    public void Step_IsNeverShorterThanItsParts() => Assert.Multiple(() =>
    {
        foreach ((Link link, int ranks, RankedStep step) in Cases)
        {
            double least = Math.Max(step.ComputeSeconds, step.LinkSeconds) + step.UpdateSeconds;
            Assert.That(step.OverlappedStepSeconds, Is.GreaterThanOrEqualTo(least - 1e-12), $"{ranks} ranks, {link}");
            Assert.That(step.StepSeconds, Is.GreaterThanOrEqualTo(least - 1e-12), $"{ranks} ranks, {link}");
        }
    });

    [Test]
    public void Overlapped_IsNoLonger_AndHidesNeitherTheFirstParametersNorTheLastGradients() => Assert.Multiple(() =>
    {
        foreach ((Link link, int ranks, RankedStep step) in Cases.Where(one => one.Link.LatencySeconds == 0))
        {
            double exposed = 2 * Times.Layers[0].Bytes * (ranks - 1) / ranks / link.SlowestBytesPerSecond;
            Assert.That(step.OverlappedStepSeconds, Is.InRange(step.ComputeSeconds + step.UpdateSeconds + exposed - 1e-12, step.StepSeconds + 1e-12), $"{ranks} ranks, {link}");
        }
    });

    [Test]
    public void Step_FallsWithTheRates_AndRisesWithTheLatency()
    {
        foreach (Func<RankedStep, double> seconds in new Func<RankedStep, double>[] { step => step.StepSeconds, step => step.OverlappedStepSeconds })
        {
            foreach (int ranks in Ranks.Skip(1))
            {
                Assert.Multiple(() =>
                {
                    Assert.That(Rates.Select(rate => seconds(Of(new Link(rate, 12e9)))), Is.Ordered.Descending);
                    Assert.That(Rates.Select(rate => seconds(Of(new Link(11e9, rate)))), Is.Ordered.Descending);
                    Assert.That(new[] { 0, 1e-6, 1e-4 }.Select(latency => seconds(Of(new Link(11e9, 12e9, latency)))), Is.Ordered.Ascending.And.Unique);
                });

                RankedStep Of(Link link) => RankedStep.Of(Times, Batch, ranks, link);
            }
        }
    }

    /// <summary>docs/recipe.md has 35,156 steps and, at 0.748 s each, 3.0 days; 64 ranks take 550 of 512 utterances, the last of them not full.</summary>
    [TestCase(1, 35_156)]
    [TestCase(64, 550)]
    public void Days_AreThoseOfTenEpochs(int ranks, int steps)
    {
        var step = RankedStep.Of(new StepTimes([new("all", 0, 0.3, 0.448)], 0, 0, 0), Batch, ranks, new Link(1e9));
        Assert.That(step.Days, Is.EqualTo(10 * steps * 0.748 / 86_400).Within(1e-9));
        Assert.That(step.OverlappedDays, Is.EqualTo(step.Days).Within(1e-9));
    }

    [TestCase(1, new[] { 1 })]
    [TestCase(6, new[] { 1, 2, 4, 6 })]
    [TestCase(8, new[] { 1, 2, 4, 8 })]
    public void Estimate_DoublesUpToTheRanksAskedFor(int ranks, int[] expected)
    {
        ScalingEstimate estimate = ScalingEstimate.Of(Times, Batch, ranks, new Link(1e9));
        Assert.That(estimate.Steps.Select(step => step.Ranks), Is.EqualTo(expected));
        string[] rows = [.. estimate.ToText().Split('\n').Where(line => line.StartsWith('|'))];
        Assert.That(rows, Has.Length.EqualTo(2 + Times.Layers.Count + 1 + 2 + estimate.Steps.Count));
    }

    [Test]
    public void Estimate_OfTheMostRanks_IsOfNumbers() => Assert.That(
        ScalingEstimate.Of(Times, Batch, int.MaxValue, new Link(1e9)).Steps.Select(step => step.Days), Has.Exactly(32).Matches<double>(days => days > 0 && double.IsFinite(days)));

    [Test]
    public void Times_OfALayer_AreItsLaunches_AndAllBytesAreTheModels()
    {
        if (CudaTools.WhyNoDisassembly(Chip.P100) is string missing)
            Assert.Ignore(missing);
        RunOptions options = RunOptions.Presets["mlperf"].With("hidden", "32").With("layers", "2").With("channels", "4");
        var times = StepTimes.Of(options, 2, 60, 3, P100Kernels.All);
        IReadOnlyList<KernelLaunch> launches = StepEstimate.Record(options, 2, 60, 3);
        using HostEngine engine = new(1);
        using var model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, seed: null);
        double loss = Seconds(typeof(IlgpuCtc), typeof(IlgpuLogSoftmax));
        Assert.Multiple(() =>
        {
            Assert.That(times.ComputeSeconds + times.UpdateSeconds, Is.EqualTo(LaunchTimes.Of(launches, P100Kernels.All).Sum(time => time.EstimatedSeconds)).Within(1e-9));
            Assert.That(times.UpdateSeconds, Is.InRange(Seconds(typeof(IlgpuSgd), typeof(IlgpuGradientNorm)), Seconds(typeof(IlgpuSgd), typeof(IlgpuGradientNorm), typeof(IlgpuRollback))));
            Assert.That(times.OtherSeconds, Is.InRange(loss, loss + Seconds(typeof(FillKernels), typeof(IlgpuRollback))));
            Assert.That(times.Bytes, Is.EqualTo(4 * model.Parameters.Count));
            Assert.That(times.Layers.Select(layer => layer.Name), Is.EqualTo(model.Layers.Select(layer => layer.Name)));
            Assert.That(times.Layers, Has.All.Matches<LayerTime>(layer => layer.ForwardSeconds > 0 && layer.BackwardSeconds > 0));
            Assert.That(times.AdditionSeconds, Is.Positive);
        });

        double Seconds(params Type[] kernels) =>
            LaunchTimes.Of(launches.Where(launch => kernels.Contains(launch.Kernel.DeclaringType)), P100Kernels.All).Sum(time => time.EstimatedSeconds);
    }

    [TestCase("--ranks 0: must be at least 1", "--step", "--ranks", "0", "--link", "1")]
    [TestCase("--batch 0: must be at least 1", "--step", "--batch", "0")]
    [TestCase("--link 0: must be above 0 GB/s", "--step", "--ranks", "2", "--link", "0")]
    [TestCase("--link -1: must be above 0 GB/s", "--step", "--ranks", "2", "--link", "-1")]
    [TestCase("--ranks 2: needs --link, the GB/s between them", "--step", "--ranks", "2")]
    [TestCase("--ranks 2: is of the estimate of a step, and --step is not given", "--ranks", "2", "--link", "1")]
    [TestCase("--link 1: is between ranks, and --ranks is not given", "--step", "--link", "1")]
    [TestCase("--copy -1: must be at least 0 GB/s", "--step", "--ranks", "2", "--link", "1", "--copy", "-1")]
    [TestCase("--latency-us -1: must be at least 0", "--step", "--ranks", "2", "--link", "1", "--latency-us", "-1")]
    [TestCase(
        "--ranks 2: the estimate is for equal shares, and this optimiser's are whole matrices; --set optimizer=sgd or adamw",
        "--step", "--ranks", "2", "--link", "1", "--set", "optimizer=muon")]
    public void Options_OfNoUse_AreTheUsersMistake(string expected, params string[] arguments) => Assert.That(
        () => GpuReportCommand.Create().Parse(arguments).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false }),
        Throws.TypeOf<InputException>().With.Message.EqualTo(expected));
}
