using System.Runtime.InteropServices;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Tests.Distributed;

/// <summary>Devices whose memory has addresses, and what a CUDA-aware library does with those.</summary>
internal static unsafe partial class DevicePointers
{
    /// <summary>Whether an engine under test, by its name, has them.</summary>
    public static bool Has(string engine) => engine is "emulated" or "cuda";

    /// <summary>An engine that has them.</summary>
    public static IlgpuEngine NewEngine(string engine) => engine == "cuda" ? IlgpuEngine.Cuda() : IlgpuEngine.Emulated();

    /// <summary>Copies by addresses, wherever they lead: of a GPU by its driver, which knows each, on a thread that has the device.</summary>
    public static ThreadRanks.PointerCopy Copy(string engine) => engine == "cuda" ? ByDriver : ByHost;

    private static void ByHost(float* source, float* destination, int length) => new ReadOnlySpan<float>(source, length).CopyTo(new Span<float>(destination, length));

    private static void ByDriver(float* source, float* destination, int length)
    {
        if (length > 0)
            Assert.That((CopyAsync(destination, source, (nuint)length * sizeof(float), 0), Synchronize(0)), Is.EqualTo((0, 0)), "the driver's answers");
    }

    [LibraryImport("libcuda.so.1", EntryPoint = "cuMemcpyAsync")]
    private static partial int CopyAsync(void* destination, void* source, nuint bytes, nint stream);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuStreamSynchronize")]
    private static partial int Synchronize(nint stream);
}
