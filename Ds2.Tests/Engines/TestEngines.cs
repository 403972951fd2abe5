using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Tests.Engines;

/// <summary>The engines that the op tests run on, each made once a run.</summary>
/// <remarks>
/// By default: the host with one and with two threads, and with kernels that are blocked for AVX-512 (which the runtime emulates where the machine lacks
/// it), and ILGPU's emulated device. The environment variable DS2_TEST_DEVICE picks one kind:
/// host, emulated, cuda or opencl. A device asked for by name and absent fails the tests; it is not skipped.
/// </remarks>
public static class TestEngines
{
    private static readonly Dictionary<string, IEngine> Made = [];

    /// <summary>The names of the engines under test, as they stand in the test list.</summary>
    public static IEnumerable<string> Names => Environment.GetEnvironmentVariable("DS2_TEST_DEVICE") switch
    {
        null or "" => ["host-1", "host-2", "host-lanes-16", "emulated"],
        "host" => ["host-1", "host-2", "host-lanes-16"],
        string device => [device],
    };

    /// <summary>An engine that is none of those under test: a tensor of its is always in the wrong memory.</summary>
    public static IEngine Stranger => Get("stranger");

    /// <summary>The engine of a name; made at the first call, disposed at the end of the run.</summary>
    public static IEngine Get(string name)
    {
        if (!Made.TryGetValue(name, out IEngine? engine))
            Made.Add(name, engine = Make(name));
        return engine;
    }

    /// <summary>CUDA without kernels whose groups wait for each other.</summary>
    public const string CudaFrames = "cuda-frames";

    internal static void DisposeAll()
    {
        foreach (IEngine engine in Made.Values)
            engine.Dispose();
        Made.Clear();
    }

    private static IEngine Make(string name) => name switch
    {
        "host-1" or "stranger" => new HostEngine(threads: 1),
        "host-2" => new HostEngine(threads: 2),
        "host-lanes-16" => new HostEngine(threads: 2, lanes: 16),
        "emulated" => IlgpuEngine.Emulated(),
        "cuda" => IlgpuEngine.Cuda(),
        CudaFrames => WithoutCooperation(IlgpuEngine.Cuda()),
        "opencl" => IlgpuEngine.OpenCl(),
        _ => throw new ArgumentException($"DS2_TEST_DEVICE={name}: host, emulated, cuda and opencl are known"),
    };

    private static IlgpuEngine WithoutCooperation(IlgpuEngine engine)
    {
        engine.Cooperates = false;
        return engine;
    }
}
