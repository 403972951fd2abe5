using System.Reflection;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;

namespace Ds2.Tests.Gpu;

/// <summary>Compiles the GPU kernels to PTX as the engine does, on a machine that needs no GPU.</summary>
internal sealed class PtxCompiler : IDisposable
{
    private readonly Context context = Context.Create(builder => GpuKernels.Configure(builder));
    private readonly Dictionary<int, PTXBackend> backends = [];

    /// <summary>The compute capabilities under test (60 is the P100's), each with the oldest PTX version that knows it.</summary>
    public static IReadOnlyDictionary<int, (CudaArchitecture Architecture, CudaInstructionSet Version)> Targets { get; } =
        new Dictionary<int, (CudaArchitecture, CudaInstructionSet)>
        {
            [60] = (CudaArchitecture.SM_60, CudaInstructionSet.ISA_60),
            [70] = (CudaArchitecture.SM_70, CudaInstructionSet.ISA_60),
            [80] = (CudaArchitecture.SM_80, CudaInstructionSet.ISA_70),
            [90] = (CudaArchitecture.SM_90, CudaInstructionSet.ISA_78),
        };

    /// <summary>A kernel's PTX for one of the <see cref="Targets"/>.</summary>
    public string Compile(MethodInfo kernel, int computeCapability)
    {
        if (!backends.TryGetValue(computeCapability, out PTXBackend? backend))
        {
            (CudaArchitecture architecture, CudaInstructionSet version) = Targets[computeCapability];
            backends.Add(computeCapability, backend = new PTXBackend(context, architecture, version, nvvmAPI: null!));
        }

        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(kernel);
        return ((PTXCompiledKernel)backend.Compile(entry, GpuKernels.Specialization(kernel))).PTXAssembly;
    }

    public void Dispose()
    {
        foreach (PTXBackend backend in backends.Values)
            backend.Dispose();
        context.Dispose();
    }
}
