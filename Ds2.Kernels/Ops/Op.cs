using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary>What all ops share: the engine, and a name in a profile for each call.</summary>
/// <param name="engine">The engine it runs on.</param>
public abstract class Op(IEngine engine)
{
    // Nobody asks for them but a profiler.
    private readonly Dictionary<string, string> names = [];

    /// <summary>The engine it runs on.</summary>
    protected IEngine Engine { get; } = engine;

    /// <summary>The engine of an implementation for the host.</summary>
    private protected HostEngine Host => (HostEngine)Engine;

    /// <summary>The engine of an implementation for a GPU.</summary>
    private protected IlgpuEngine Gpu => (IlgpuEngine)Engine;

    /// <summary>Names what is called, "Gru.Forward", in a profile, until it is disposed.</summary>
    private protected ProfilerRange Range([CallerMemberName] string call = "")
    {
        if (!ProfilerRange.IsOn)
            return default;
        if (!names.TryGetValue(call, out string? name))
            names.Add(call, name = $"{GetType().BaseType!.Name}.{call}");
        return ProfilerRange.Begin(name);
    }
}
