using System.Reflection;
using System.Text.RegularExpressions;
using Ds2.Bench.Gpu;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Tests.Gpu;

/// <summary>Every GPU kernel, compiled for the target GPU on a machine without one.</summary>
[TestFixture]
public sealed class KernelCompilationTests
{
    private PtxCompiler compiler = null!;

    private static IEnumerable<TestCaseData> Kernels =>
        GpuKernels.All().Select(kernel => new TestCaseData(kernel).SetArgDisplayNames(CompiledKernel.NameOf(kernel)));

    [OneTimeSetUp]
    public void MakeCompiler() => compiler = new PtxCompiler();

    [OneTimeTearDown]
    public void DisposeCompiler() => compiler.Dispose();

    [Test]
    public void Kernels_AreFound() => Assert.That(GpuKernels.All(), Is.Not.Empty);

    [TestCaseSource(nameof(Kernels))]
    public void Group_IsWholeWarps(MethodInfo kernel)
    {
        int threads = GpuKernels.Specialization(kernel).MaxNumThreadsPerGroup!.Value;
        Assert.That(threads, Is.InRange(32, 1024));
        Assert.That(threads % 32, Is.Zero);
    }

    /// <remarks>ILGPU 1.5.3 targets sm_80 on newer GPUs too, whose driver compiles that PTX: its output names the P100 exactly, a newer GPU at most.</remarks>
    [TestCaseSource(nameof(Kernels))]
    public void Compiles_ForEveryComputeCapability(MethodInfo kernel) =>
        Assert.Multiple(() =>
        {
            foreach (Chip chip in Chip.All)
            {
                Match target = Regex.Match(compiler.Compile(kernel, chip), @"\.target sm_(\d+)\b[\s\S]*\.entry ");
                Assert.That(target.Success, $"no entry point for {chip.Target}");
                Assert.That(int.Parse(target.Groups[1].Value), Is.InRange(Chip.P100.ComputeCapability, chip.ComputeCapability));
            }
        });

    /// <remarks>
    /// Atomics add in an order that depends on timing; shuffles are missing on OpenCL devices without subgroups; an undefined extern is a call into
    /// libdevice, which the engine does not link; local memory is an array indexed at run time. Kernels whose groups wait for each other run on CUDA alone, and count arrivals.
    /// </remarks>
    [TestCaseSource(nameof(Kernels))]
    public void Code_HasNoAtomicsShufflesExternsOrLocalArrays(MethodInfo kernel)
    {
        string ptx = compiler.Compile(kernel, Chip.P100);
        bool cooperates = kernel.GetCustomAttribute<GpuKernelAttribute>()!.IsCooperative;
        Assert.Multiple(() =>
        {
            Assert.That(ptx, Does.Not.Match(cooperates ? @"\b(atom|red)\.\S*f\d\d" : @"\b(atom|red)\.(global|shared|add|max|min|exch|cas)"), "atomic");
            if (!cooperates)
                Assert.That(ptx, Does.Not.Match(@"\bshfl\."), "shuffle");
            Assert.That(ptx, Does.Not.Match(@"\.extern\s+\.func"), "extern");
            Assert.That(ptx, Does.Not.Match(@"(?m)^\s*\.local\b"), "local memory");
        });
    }
}
