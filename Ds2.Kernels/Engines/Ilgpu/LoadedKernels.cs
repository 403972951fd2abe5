using System.Reflection;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Runtime;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>The kernels that a device has loaded.</summary>
/// <remarks>
/// ILGPU compiles one kernel after the other, always in the order of <see cref="GpuKernels.All"/>: its compiler holds a lock, and the code that it makes
/// of a method that two kernels share depends on which came first. The driver then turns several of them into machine code at a time, which takes it
/// longer than ILGPU needs.
/// </remarks>
internal sealed class LoadedKernels(Accelerator accelerator)
{
    private readonly Dictionary<MethodInfo, Kernel> kernels = [];

    /// <summary>How many kernels were compiled so far.</summary>
    public int Count => kernels.Count;

    /// <summary>A kernel, compiled and loaded at the first call.</summary>
    /// <param name="method">A static method marked with <see cref="GpuKernelAttribute"/>.</param>
    /// <exception cref="ArgumentException">The method is not marked.</exception>
    public Kernel Get(MethodInfo method)
    {
        if (!kernels.TryGetValue(method, out Kernel? kernel))
            kernels.Add(method, kernel = accelerator.LoadKernel(Compile(method)));
        return kernel;
    }

    /// <summary>Compiles and loads all kernels that are not yet.</summary>
    /// <param name="ready">Called after each, from several threads.</param>
    public void LoadAll(Action ready)
    {
        MethodInfo[] missing = [.. GpuKernels.All().Where(method => !kernels.ContainsKey(method))];
        Task<Kernel>[] loads = [.. missing.Select(method =>
        {
            CompiledKernel compiled = Compile(method);
            return Task.Run(() =>
            {
                Kernel kernel = accelerator.LoadKernel(compiled);
                ready();
                return kernel;
            });
        })];
        foreach ((MethodInfo method, Task<Kernel> load) in missing.Zip(loads))
            kernels.Add(method, load.GetAwaiter().GetResult());
    }

    private CompiledKernel Compile(MethodInfo method)
    {
        KernelSpecialization specialization = GpuKernels.Specialization(method);
        if (!specialization.IsCompatibleWith(accelerator))
            specialization = KernelSpecialization.Empty; // A bound for the compiler, no demand: the launch says how many threads there are.
        return accelerator.GetBackend().Compile(EntryPointDescription.FromExplicitlyGroupedKernel(method), specialization);
    }
}
