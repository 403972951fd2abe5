using System.Text.Json;
using Ds2.Bench.Gpu;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Tests.Gpu;

/// <summary>What the kernels become on a P100, by the toolkit's assembler and disassembler; the floors are those of docs/gpu.md.</summary>
[TestFixture]
public sealed class GpuReportTests
{
    private const double LeastGemmRate = 0.94;
    private const double MostConflicts = 0.03;
    private const double LeastConvolutionShare = 0.88;

    private static readonly string[] KernelFields = ["name", "registers", "sharedBytes", "stackBytes", "spillBytes", "threads", "occupancy", "mainLoop"];

    private static IEnumerable<string> Names => GpuKernels.All().Select(CompiledKernel.NameOf);

    [Test]
    public void Names_TellKernelsApart() => Assert.That(P100Kernels.All.Select(kernel => kernel.Name), Is.Unique.And.EqualTo(Names));

    [TestCaseSource(nameof(Names))]
    public void Kernel_AssemblesWithoutSpillsOrStack(string name)
    {
        if (CudaTools.WhyNoAssembly(Chip.P100) is string missing)
            Assert.Ignore(missing);
        CompiledKernel kernel = Of(name);
        KernelResources resources = kernel.Resources!;
        TestContext.Out.WriteLine($"{name}: {resources.Registers} registers");
        Assert.Multiple(() =>
        {
            Assert.That(resources.Registers, Is.InRange(1, 255));
            Assert.That(resources.SpillBytes, Is.Zero, "spills");
            Assert.That(resources.StackBytes, Is.Zero, "stack frame");
            Assert.That(kernel.Occupancy, Is.InRange(0.1, 1));
            Assert.That((kernel with { Resources = null }).SharedBytes, Is.EqualTo(resources.SharedBytes), "shared memory, as PTX declares it");
        });
    }

    [TestCase("CorrelationKernel.CorrelateKernel", LeastConvolutionShare)]
    [TestCase("TapGradientKernel.SumWindowsKernel", LeastConvolutionShare)]
    public void MainLoop_IsMostlyMultiplyAdds(string name, double least)
    {
        NeedsDisassembly();
        Assert.That(Of(name).MainLoop!.FfmaShare, Is.GreaterThanOrEqualTo(least));
    }

    [TestCase("GemmKernels.MultiplyKernel")]
    [TestCase("GemmKernels.MultiplyTransposedBKernel")]
    [TestCase("GemmKernels.MultiplyTransposedAKernel")]
    [TestCase("GemmKernels.MultiplySymmetricKernel")]
    [TestCase("GemmKernels.MultiplySymmetricTransposedAKernel")]
    public void Gemm_MultipliesInAlmostEveryCycle(string name)
    {
        NeedsDisassembly();
        Assert.That(Of(name).MainLoop!.IssueShare, Is.GreaterThanOrEqualTo(LeastGemmRate));
    }

    /// <remarks>Which registers meet in a bank is the assembler's choice: held to what the release gives for which the source's order was chosen.</remarks>
    [TestCase("GemmKernels.MultiplyKernel")]
    [TestCase("GemmKernels.MultiplyTransposedBKernel")]
    [TestCase("GemmKernels.MultiplyTransposedAKernel")]
    [TestCase("GemmKernels.MultiplySymmetricKernel")]
    [TestCase("GemmKernels.MultiplySymmetricTransposedAKernel")]
    [TestCase("CorrelationKernel.CorrelateKernel")]
    [TestCase("TapGradientKernel.SumWindowsKernel")]
    public void MainLoop_HasFewRegisterBankConflicts(string name)
    {
        NeedsDisassembly();
        if (!CudaTools.IsRelease("11.8"))
            Assert.Ignore("the figure is of CUDA 11.8's ptxas");
        Assert.That(Of(name).MainLoop!.ConflictShare, Is.LessThanOrEqualTo(MostConflicts));
    }

    [TestCase("GemmKernels.MultiplyKernel")]
    [TestCase("GemmKernels.MultiplyTransposedBKernel")]
    [TestCase("GemmKernels.MultiplyTransposedAKernel")]
    [TestCase("GemmKernels.MultiplySymmetricKernel")]
    [TestCase("GemmKernels.MultiplySymmetricTransposedAKernel")]
    public void Gemm_HasAtMost128Registers(string name)
    {
        NeedsDisassembly();
        Assert.That(Of(name).Resources!.Registers, Is.LessThanOrEqualTo(128));
    }

    [TestCase("GruForwardKernel.CellKernel", 0.84)]
    [TestCase("GruForwardKernel.CellHalfKernel", 0.77)]
    [TestCase("GruBackwardKernel.CellGradientKernel", 0.7)]
    [TestCase("GruBackwardKernel.CellGradientHalfKernel", 0.65)]
    [TestCase("GruBackwardKernel.CellGradientWideKernel", 0.84)]
    [TestCase("GruBackwardKernel.CellGradientWideHalfKernel", 0.77)]
    public void FusedCell_LoadsNothingNarrowerThan128Bits(string name, double leastShare)
    {
        NeedsDisassembly();
        InstructionMix product = Of(name).MainLoop!;
        Assert.That(product.GlobalLoadBits.Keys, Is.EqualTo(new[] { 128 }));
        Assert.That(product.FfmaShare, Is.GreaterThanOrEqualTo(leastShare));
    }

    [Test]
    public void Json_HasTheFieldsOfEveryKernel()
    {
        using var document = JsonDocument.Parse(GpuReport.Of(Chip.P100, P100Kernels.All).ToJson());
        JsonElement root = document.RootElement;
        Assert.That(root.GetProperty("arch").GetString(), Is.EqualTo("sm_60"));
        JsonElement[] entries = [.. root.GetProperty("kernels").EnumerateArray()];
        Assert.That(entries.Select(entry => entry.GetProperty("name").GetString()), Is.EqualTo(Names));
        foreach (JsonElement entry in entries)
            Assert.That(entry.EnumerateObject().Select(field => field.Name), Is.SupersetOf(KernelFields));
        NeedsDisassembly();
        JsonElement loop = entries.Single(entry => entry.GetProperty("name").GetString() == "GemmKernels.MultiplyKernel").GetProperty("mainLoop");
        Assert.That(
            loop.GetProperty("ffmaShare").GetDouble(),
            Is.EqualTo(loop.GetProperty("ffma").GetDouble() / loop.GetProperty("instructions").GetDouble()));
    }

    [Test]
    public void Table_HasARowAKernel() =>
        Assert.That(KernelTable.ToText(Chip.P100, P100Kernels.All).Split('\n').Count(line => line.StartsWith("| ", StringComparison.Ordinal)), Is.EqualTo(P100Kernels.All.Count + 1));

    private static void NeedsDisassembly()
    {
        if (CudaTools.WhyNoDisassembly(Chip.P100) is string missing)
            Assert.Ignore(missing);
    }

    private CompiledKernel Of(string name) => P100Kernels.All.Single(kernel => kernel.Name == name);
}
