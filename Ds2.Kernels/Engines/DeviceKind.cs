using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Engines;

/// <summary>The devices a run can be asked to use.</summary>
public enum DeviceKind
{
    /// <summary>CUDA where there is one, else the host.</summary>
    Auto,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda,

    /// <summary>An OpenCL device.</summary>
    OpenCl,

    /// <summary>The CPU's vector units.</summary>
    Host,

    /// <summary>ILGPU's emulation of a GPU on the CPU: slow, for tests.</summary>
    Emulated,
}

/// <summary>Makes the engine for a device; the choice is made once, where a program starts.</summary>
public static class EngineFactory
{
    /// <summary>The engine of a device. Only <see cref="DeviceKind.Auto"/> falls back.</summary>
    /// <param name="kind">The device.</param>
    /// <param name="threads">Threads of the host engine; 0 for one per core.</param>
    /// <returns>The engine; the caller owns it.</returns>
    /// <exception cref="InvalidOperationException">A device asked for by name is absent.</exception>
    public static IEngine Create(DeviceKind kind, int threads = 0) => kind switch
    {
        DeviceKind.Auto => CudaOrNull() ?? (IEngine)new HostEngine(threads),
        DeviceKind.Cuda => IlgpuEngine.Cuda(),
        DeviceKind.OpenCl => IlgpuEngine.OpenCl(),
        DeviceKind.Host => new HostEngine(threads),
        DeviceKind.Emulated => IlgpuEngine.Emulated(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private static IlgpuEngine? CudaOrNull()
    {
        try
        {
            return IlgpuEngine.Cuda();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
