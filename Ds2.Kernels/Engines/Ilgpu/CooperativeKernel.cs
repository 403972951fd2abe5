using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>A kernel whose groups wait for each other at a <see cref="GridBarrier"/>, and so must all be on the device at the same time: CUDA's cooperative launch, which ILGPU does not offer.</summary>
/// <remarks><see cref="IlgpuEngine.LoadCooperative"/> makes it where the device has such launches.</remarks>
internal sealed class CooperativeKernel
{
    private readonly IlgpuEngine engine;
    private readonly MethodInfo method;
    private readonly CudaKernel? kernel;
    private readonly Action<KernelLaunch>? record;
    private readonly KernelClock? clock;
    private readonly int threads;

    /// <param name="engine">The engine.</param>
    /// <param name="method">The kernel.</param>
    /// <param name="kernel">The kernel on the device; null where launches are recorded only.</param>
    /// <param name="groups">How many groups the device holds at a time.</param>
    /// <param name="record">Told of launches; null where they are done.</param>
    /// <param name="clock">Times launches while it is on; null for none.</param>
    public CooperativeKernel(IlgpuEngine engine, MethodInfo method, CudaKernel? kernel, int groups, Action<KernelLaunch>? record, KernelClock? clock)
    {
        this.engine = engine;
        this.method = method;
        this.kernel = kernel;
        this.record = record;
        this.clock = clock;
        threads = method.GetCustomAttribute<GpuKernelAttribute>()!.Threads;
        MostGroups = groups;
    }

    /// <summary>The most groups of a launch: as many as the device holds at a time.</summary>
    public int MostGroups { get; }

    /// <summary>Queues a launch. A barrier that breaks is an exception of the engine's next <see cref="IlgpuEngine.Synchronize"/>.</summary>
    /// <param name="groups">The grid.</param>
    /// <param name="barrier">The counters at which its groups wait, among the arguments as well: zeroed before it, and looked at after it.</param>
    /// <param name="arguments">The kernel's arguments: views of float or int, and structs.</param>
    /// <exception cref="ArgumentException">More groups than the device holds, or arguments that are not the kernel's.</exception>
    public void Launch(Index3D groups, ArrayView<int> barrier, params object[] arguments)
    {
        var grid = new KernelConfig(groups, new Index3D(threads, 1, 1));
        KernelLaunch.CheckGrid(method, grid);
        if (groups.Size > MostGroups)
            throw new ArgumentException($"{method.DeclaringType!.Name}.{method.Name} needs its {groups.Size} groups at the same time; the device holds {MostGroups}");
        if (!arguments.Select(argument => argument.GetType()).SequenceEqual(method.GetParameters().Select(parameter => parameter.ParameterType)))
            throw new ArgumentException($"the arguments are not those of {method.DeclaringType!.Name}.{method.Name}");
        engine.Fill(barrier, 0);
        record?.Invoke(new KernelLaunch(method, grid, arguments));
        if (kernel is null)
            return;
        if (clock is { IsOn: true })
        {
            ProfilingMarker before = KernelClock.Mark(engine.Stream);
            Queue(kernel, grid, arguments);
            clock.Add(engine.Stream, before, new KernelLaunch(method, grid, arguments));
        }
        else
        {
            Queue(kernel, grid, arguments);
        }

        engine.Watch($"{method.DeclaringType!.Name}.{method.Name}", barrier);
    }

    private void Queue(CudaKernel kernel, KernelConfig grid, object[] arguments)
    {
        GCHandle[] pinned = [.. arguments.Select(argument => GCHandle.Alloc(AsInPtx(argument), GCHandleType.Pinned))];
        try
        {
            CudaDriver.LaunchCooperative(kernel, grid, (CudaStream)engine.Stream, [.. pinned.Select(handle => handle.AddrOfPinnedObject())]);
        }
        finally
        {
            foreach (GCHandle handle in pinned)
                handle.Free();
        }
    }

    /// <summary>An argument as ILGPU's PTX declares its parameter.</summary>
    private static object AsInPtx(object argument) => argument switch
    {
        ArrayView<float> view => new NativeView(view.LoadEffectiveAddressAsPtr(), view.Length),
        ArrayView<int> view => new NativeView(view.LoadEffectiveAddressAsPtr(), view.Length),
        _ => argument,
    };

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct NativeView(IntPtr address, long length)
    {
        public readonly IntPtr Address = address;
        public readonly long Length = length;
    }
}
