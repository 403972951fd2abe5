using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Engines;

/// <summary>Makes the engine for a device; the choice is made once, where a program starts.</summary>
public static class EngineFactory
{
    /// <summary>The engine of a device. Only <see cref="DeviceKind.Auto"/> falls back.</summary>
    /// <param name="device">The device.</param>
    /// <param name="threads">Threads of the host engine; 0 for one per core.</param>
    /// <param name="onFallback">Told in one line why <see cref="DeviceKind.Auto"/> does without a GPU that is there; not told where there is none.</param>
    /// <returns>The engine; the caller owns it.</returns>
    /// <exception cref="DeviceUnavailableException">A device asked for by name is absent or cannot be used; the message is one line.</exception>
    public static IEngine Create(DeviceChoice device, int threads = 0, Action<string>? onFallback = null) => device.Kind switch
    {
        DeviceKind.Auto => Auto(() => IlgpuEngine.Cuda(device.Number ?? 0), () => new HostEngine(threads), onFallback),
        DeviceKind.Cuda => IlgpuEngine.Cuda(device.Number ?? 0),
        DeviceKind.OpenCl => IlgpuEngine.OpenCl(device.Number ?? 0),
        DeviceKind.Host => new HostEngine(threads),
        DeviceKind.Emulated => IlgpuEngine.Emulated(),
        _ => throw new ArgumentOutOfRangeException(nameof(device)),
    };

    /// <summary>The GPU if it can be used, else the host, saying why where there is a GPU.</summary>
    internal static IEngine Auto(Func<IEngine> cuda, Func<IEngine> host, Action<string>? onFallback)
    {
        try
        {
            return cuda();
        }
        catch (DeviceUnavailableException exception)
        {
            if (exception.IsPresent)
                onFallback?.Invoke($"{exception.Message}; going on with the host");
            return host();
        }
    }
}
