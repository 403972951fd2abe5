using Ds2.Bench.Gpu;
using Ds2.Bench.Gpu.Estimate;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Runtime;
using Ds2.Runtime.Training;
using Ds2.Tests.Data;
using Ds2.Tests.Layout;

namespace Ds2.Tests.Gpu;

/// <summary>The table of a step's kernels, and the estimates that stand beside them.</summary>
public sealed class KernelTimeTests
{
    [Test]
    public void Kernels_AreTheMeanStepsLaunchesAndTheirWork()
    {
        IReadOnlyList<KernelLaunch> step = StepEstimate.Record(RunOptions.Presets["mlperf"].With("hidden", "8").With("layers", "1").With("channels", "2"), 2, 40, 2);
        IReadOnlyList<KernelTime> times = KernelTime.Of([.. step.Select(launch => (launch, 1e-3)), .. step.Select(launch => (launch, 3e-3))], steps: 2);
        var expected = step.GroupBy(launch => CompiledKernel.NameOf(launch.Kernel)).Select(kernel =>
            (kernel.Key, kernel.Count(), kernel.Count() * 2e-3, kernel.Sum(launch => LaunchWork.Of(launch).Flops), kernel.Sum(launch => LaunchWork.Of(launch).Bytes)));
        Assert.Multiple(() =>
        {
            Assert.That(times.Select(time => (time.Name, time.Launches, Math.Round(time.Seconds, 9), time.Flops, time.Bytes)), Is.EquivalentTo(expected));
            Assert.That(times.Select(time => time.Seconds), Is.Ordered.Descending);
        });
    }

    [Test]
    public void Table_ShowsTheEstimatesOfTheSameStepAlone()
    {
        KernelTime[] times = [new("A.Kernel", 2, 0.004, 8e9, 2e9, 0.001), new("B.Kernel", 1, 0.001, 0, 1e9, 0.0005)];
        var estimates = new Dictionary<string, EstimatedKernel> { ["A.Kernel"] = new(2, 3.5), ["all"] = new(3, 3.75) };
        string[][] rows = Rows(KernelTime.Table(times, estimates));
        Assert.That(rows, Is.EqualTo(new[]
        {
            new[] { "A.Kernel", "2", "4.000", "80.0 %", "2000.0", "2000.0", "500.0", "1.00", "3.50" },
            ["B.Kernel", "1", "1.000", "20.0 %", "1000.0", "0.0", "1000.0", "0.50", "-"],
            ["all", "3", "5.000", "100.0 %", "1666.7", "1600.0", "600.0", "1.50", "3.75"],
        }));
        estimates["all"] = new EstimatedKernel(4, 3.75);
        Assert.That(Rows(KernelTime.Table(times, estimates)).Select(row => row[^1]), Is.All.EqualTo("-"));

        static string[][] Rows(string table) => [.. table.Split('\n').Skip(2).Select(row => row.Trim('|', '\r').Split('|').Select(cell => cell.Trim()).ToArray())];
    }

    [Test]
    public void Estimate_InTheDocuments_NamesEveryKernelOfTheStepAndAddsUp()
    {
        IReadOnlyDictionary<string, EstimatedKernel> estimates = EstimatedKernel.Read(Path.Combine(Repository.Require(), "docs", "gpu.md"));
        string[] kernels = [.. GpuKernels.All().Select(CompiledKernel.NameOf)];
        KeyValuePair<string, EstimatedKernel>[] rows = [.. estimates.Where(row => row.Key != "all")];
        Assert.Multiple(() =>
        {
            Assert.That(rows.Select(row => row.Key), Is.SubsetOf(kernels));
            Assert.That(rows.Sum(row => row.Value.Launches), Is.EqualTo(estimates["all"].Launches));
            Assert.That(rows.Sum(row => row.Value.Milliseconds), Is.EqualTo(estimates["all"].Milliseconds).Within(0.005 * rows.Length), "rounded to 0.01");
        });
    }

    [Test]
    public void Estimate_WithoutTheTable_IsTheUsersMistake()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["other.md"], "| kernel | registers |\n|---|---|\n| A | 1 |\n");
        Assert.Multiple(() =>
        {
            Assert.That(() => EstimatedKernel.Read(folder["other.md"]), Throws.TypeOf<InputException>().With.Message.Contains("other.md: has no table"));
            Assert.That(() => EstimatedKernel.Read(folder["none.md"]), Throws.TypeOf<InputException>().With.Message.Contains("none.md: no such file"));
        });
    }
}
