using System.Reflection;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;

namespace Ds2.Bench.Gpu;

/// <summary>Compiles the GPU kernels to PTX as the engine does, on a machine that needs no GPU.</summary>
internal sealed class PtxCompiler : IDisposable
{
    private readonly Context context = Context.Create(builder => GpuKernels.Configure(builder));
    private readonly Dictionary<Chip, PTXBackend> backends = [];

    /// <summary>A kernel's PTX.</summary>
    public string Compile(MethodInfo kernel, Chip chip)
    {
        lock (backends)
        {
            if (!backends.TryGetValue(chip, out PTXBackend? backend))
                backends.Add(chip, backend = new PTXBackend(context, chip.Architecture, chip.PtxVersion, nvvmAPI: null!));
            var entry = EntryPointDescription.FromExplicitlyGroupedKernel(kernel);
            return ((PTXCompiledKernel)backend.Compile(entry, GpuKernels.Specialization(kernel))).PTXAssembly;
        }
    }

    /// <summary>Gives ILGPU's memory back.</summary>
    public void Dispose()
    {
        foreach (PTXBackend backend in backends.Values)
            backend.Dispose();
        context.Dispose();
    }
}
