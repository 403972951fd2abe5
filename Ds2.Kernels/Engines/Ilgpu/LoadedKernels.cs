using System.Reflection;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

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
    /// <exception cref="NotSupportedException">The device has no half precision or no cooperative launch, which the kernel needs.</exception>
    /// <exception cref="DeviceFaultException">The driver does not take it.</exception>
    public Kernel Get(MethodInfo method)
    {
        if (!kernels.TryGetValue(method, out Kernel? kernel))
            kernels.Add(method, kernel = Load(method, Compile(method)));
        return kernel;
    }

    /// <summary>Whether the device converts from half precision: all do but some of OpenCL's.</summary>
    public bool HasHalf => accelerator is not CLAccelerator device || device.Capabilities.Float16;

    /// <summary>Whether groups of a launch may wait for each other.</summary>
    public bool HasCooperativeLaunch { get; } = accelerator is CudaAccelerator device && CudaDriver.HasCooperativeLaunch(device);

    /// <summary>The kernels that the device can run and that are not compiled yet.</summary>
    public IReadOnlyList<MethodInfo> Missing => [.. GpuKernels.All().Where(method => CanRun(method) && !kernels.ContainsKey(method))];

    /// <summary>Compiles and loads all that are missing.</summary>
    /// <param name="ready">Called after each, from several threads.</param>
    public void LoadAll(Action ready)
    {
        IReadOnlyList<MethodInfo> missing = Missing;
        Task<Kernel>[] loads = [.. missing.Select(method =>
        {
            CompiledKernel compiled = Compile(method);
            return Task.Run(() =>
            {
                Kernel kernel = Load(method, compiled);
                ready();
                return kernel;
            });
        })];
        foreach ((MethodInfo method, Task<Kernel> load) in missing.Zip(loads))
            kernels.Add(method, load.GetAwaiter().GetResult());
    }

    private Kernel Load(MethodInfo method, CompiledKernel compiled)
    {
        try
        {
            return accelerator.LoadKernel(compiled);
        }
        catch (AcceleratorException exception)
        {
            throw new DeviceFaultException($"{accelerator.Name.Trim()}: the kernel {method.DeclaringType!.Name}.{method.Name} cannot be loaded: {exception.Message.ReplaceLineEndings(" ")} (is the device's memory taken?)", exception);
        }
    }

    private bool CanRun(MethodInfo method)
    {
        GpuKernelAttribute mark = method.GetCustomAttribute<GpuKernelAttribute>()!;
        return (HasHalf || !mark.NeedsHalf) && (HasCooperativeLaunch || !mark.IsCooperative);
    }

    private CompiledKernel Compile(MethodInfo method)
    {
        KernelSpecialization specialization = GpuKernels.Specialization(method);
        if (!CanRun(method))
            throw new NotSupportedException($"{accelerator.Name} has no half precision or no cooperative launch, which {method.DeclaringType!.Name}.{method.Name} needs");
        if (!specialization.IsCompatibleWith(accelerator))
            specialization = KernelSpecialization.Empty; // A bound for the compiler, no demand: the launch says how many threads there are.
        return accelerator.GetBackend().Compile(EntryPointDescription.FromExplicitlyGroupedKernel(method), specialization);
    }
}
