using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Engines;

/// <summary>Picks an op's implementation for an engine: the one place that knows there are two.</summary>
internal static class EngineChoice
{
    /// <summary>Makes the implementation that runs on <paramref name="engine"/>.</summary>
    /// <exception cref="ArgumentException">The engine is neither of the two.</exception>
    public static TOp Implement<TOp>(this IEngine engine, Func<HostEngine, TOp> onHost, Func<IlgpuEngine, TOp> onIlgpu) => engine switch
    {
        HostEngine host => onHost(host),
        IlgpuEngine ilgpu => onIlgpu(ilgpu),
        _ => throw new ArgumentException($"no ops for the engine '{engine.Name}'", nameof(engine)),
    };
}
