using System.Globalization;
using System.Reflection;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>A device that ILGPU drives: a CUDA or OpenCL GPU, or ILGPU's emulation of one on the CPU.</summary>
/// <remarks>
/// For the authors of kernels: a kernel is an explicitly grouped static method marked with <see cref="GpuKernelAttribute"/>. An op loads its
/// kernels once, in its constructor, and keeps the launchers:
/// <code>
/// private readonly Action&lt;AcceleratorStream, KernelConfig, ArrayView&lt;float&gt;, int&gt; scale =
///     engine.Load&lt;Action&lt;AcceleratorStream, KernelConfig, ArrayView&lt;float&gt;, int&gt;&gt;(ScaleKernel);
/// …
/// scale(engine.Stream, IlgpuEngine.Cover(x.Length, Threads), x.View(), x.Length);
/// </code>
/// A launch configuration is the pair (groups, threads of a group). Zero groups are an error in CUDA, as are more than <see cref="KernelLaunch.MostDeep"/> along
/// y or z: where there is nothing to do, launch nothing; where there may be too many, launch several times. A grid that breaks this is refused on every device.
/// A comparison of floats that a NaN must fail is written as a value or with ?: and never as the condition of an if: the compiler negates that one, and
/// ILGPU's OpenCL backend then drops what makes the negation true for NaN.
/// </remarks>
public sealed class IlgpuEngine : IEngine
{
    // Each emulated lane is a thread of the operating system, which every launch wakes: CPUDevice.Nvidia's 1024 cost 23 ms a launch.
    private const int EmulatedWarps = 8;

    // Kernels count in 32 bits: the step behind the last element (a group's threads, a kernel's stride) must fit them too.
    private const int LongestTensor = int.MaxValue - (1 << 16);

    // The P100 is what kernels are laid out for, and what a recording engine stands for.
    private const int MultiprocessorsOfP100 = 56;

    // CUDA_ERROR_DEVICE_UNAVAILABLE, for which ILGPU has no name.
    private const string CudaErrorDeviceUnavailable = "46";

    private readonly Context context;
    private readonly LoadedKernels kernels;
    private readonly Dictionary<MethodInfo, Delegate> launchers = [];
    private readonly Action<KernelLaunch>? record;
    private readonly KernelClock? clock;
    private readonly FillKernels fill;
    private readonly List<(string Kernel, int[] Counters)> barriers = [];

    private IlgpuEngine(Context context, Accelerator accelerator, Action<KernelLaunch>? record, KernelClock? clock)
    {
        this.context = context;
        this.record = record;
        this.clock = clock;
        Accelerator = accelerator;
        Stream = Accelerator.CreateStream();
        Staging = new PageLockedStaging(Accelerator, Stream);
        CudaPrefetch = Accelerator is CudaAccelerator cuda ? new CudaPrefetch(cuda, (CudaStream)Stream) : null;
        kernels = new LoadedKernels(Accelerator);
        fill = new FillKernels(this);
    }

    /// <inheritdoc/>
    public string Name => Accelerator switch
    {
        CudaAccelerator cuda => $"CUDA: {cuda.Name} ({cuda.Architecture.ToString().ToLowerInvariant()}, {Gibibytes(cuda.MemorySize)}, driver {cuda.DriverVersion})",
        CLAccelerator cl => $"OpenCL: {cl.Name.Trim()} ({Gibibytes(cl.MemorySize)})",
        _ => "emulated GPU (ILGPU on the CPU)",
    };

    /// <summary>Whether its memory has addresses that a CUDA-aware library takes: CUDA's, and the emulated device's, which are the host's own.</summary>
    public bool HasDevicePointers => Accelerator.AcceleratorType is AcceleratorType.Cuda or AcceleratorType.CPU;

    /// <summary>ILGPU's accelerator.</summary>
    internal Accelerator Accelerator { get; }

    /// <summary>The one stream on which all kernels run.</summary>
    internal AcceleratorStream Stream { get; }

    /// <summary>Page-locked memory for small copies within the queue.</summary>
    internal PageLockedStaging Staging { get; }

    /// <summary>Copies beside the queue; null where the device is not CUDA's.</summary>
    internal CudaPrefetch? CudaPrefetch { get; }

    /// <summary>The groups along z of one launch of a kernel that may need more. Tests take fewer: an emulated device runs thousands of groups for minutes.</summary>
    internal int GridDepth { get; set; } = KernelLaunch.MostDeep;

    /// <summary>How many multiprocessors launches are divided for: a P100's, whatever the device, so that all of them add up in the same order (but where the device decides whether all frames are one launch). Tests take fewer, for small shapes.</summary>
    internal int Multiprocessors { get; set; } = MultiprocessorsOfP100;

    /// <summary>What the environment calls <see cref="Cooperates"/>: 0 turns it off.</summary>
    private const string CooperationVariable = "DS2_COOPERATIVE";

    /// <summary>Whether kernels whose groups wait for each other are used where the device has them. The environment turns it off, and tests.</summary>
    internal bool Cooperates { get; set; } = Environment.GetEnvironmentVariable(CooperationVariable) != "0";

    /// <summary>Whether such kernels are used.</summary>
    internal bool HasCooperativeLaunch => Cooperates && (record is not null || kernels.HasCooperativeLaunch);

    /// <summary>How often a group looks whether the others have come before it gives up, about a microsecond each: longer than any of them computes. Tests take fewer.</summary>
    internal int BarrierLooks { get; set; } = 1 << 22;

    /// <summary>How often the host has waited for the queue.</summary>
    internal int Synchronizations { get; private set; }

    /// <summary>How often device memory was taken.</summary>
    internal int Allocations { get; private set; }

    /// <summary>How many kernels were compiled.</summary>
    internal int CompiledKernels => kernels.Count;

    /// <summary>How many kernels that the device can run are not compiled yet.</summary>
    public int KernelsToCompile => kernels.Missing.Count;

    /// <summary>Whether the device converts from half precision.</summary>
    internal bool HasHalf => kernels.HasHalf;

    /// <summary>ILGPU's CPU emulation of an NVIDIA device: for tests, slow.</summary>
    public static IlgpuEngine Emulated() => Create(IlgpuDeviceKind.Emulated, 0);

    /// <summary>An NVIDIA GPU.</summary>
    /// <param name="index">Its number among the CUDA devices.</param>
    /// <exception cref="DeviceUnavailableException">There is no such device, or it cannot be used: busy, exclusive, out of memory, its driver too old.</exception>
    public static IlgpuEngine Cuda(int index = 0) => Create(IlgpuDeviceKind.Cuda, index);

    /// <summary>An OpenCL device.</summary>
    /// <param name="index">Its number among the OpenCL devices.</param>
    /// <exception cref="DeviceUnavailableException">There is no such device, or it cannot be used: busy, exclusive, out of memory, its driver too old.</exception>
    public static IlgpuEngine OpenCl(int index = 0) => Create(IlgpuDeviceKind.OpenCl, index);

    /// <summary>An engine that runs nothing: memory is the host's, and each kernel's launch is told to <paramref name="record"/> instead of being done.</summary>
    internal static IlgpuEngine Recording(Action<KernelLaunch> record) => Create(IlgpuDeviceKind.Emulated, 0, record);

    /// <summary>An engine whose launches a clock times while it is on.</summary>
    /// <param name="kind">How the device is driven.</param>
    /// <param name="index">Its number among the devices of its kind.</param>
    /// <param name="clock">The clock, of this engine alone, which gives its events back.</param>
    /// <exception cref="DeviceUnavailableException">There is no such device, or it cannot be used.</exception>
    internal static IlgpuEngine Timed(IlgpuDeviceKind kind, int index, KernelClock clock) => Create(kind, index, clock: clock);

    /// <summary>All devices that an engine can be made for, GPUs first.</summary>
    /// <param name="onUnavailable">Told in one line of a kind whose driver is there and cannot be used.</param>
    public static IReadOnlyList<IlgpuDevice> Devices(Action<string>? onUnavailable = null)
    {
        var devices = new List<IlgpuDevice>();
        foreach (IlgpuDeviceKind kind in new[] { IlgpuDeviceKind.Cuda, IlgpuDeviceKind.OpenCl, IlgpuDeviceKind.Emulated })
        {
            try
            {
                using Context context = CreateContext(kind, kind.ToString(), profiling: false);
                int index = 0;
                foreach (Device device in DevicesOf(context, kind))
                    devices.Add(new IlgpuDevice(kind, index++, device.Name.Trim(), kind == IlgpuDeviceKind.Emulated ? 0 : device.MemorySize));
            }
            catch (DeviceUnavailableException exception)
            {
                if (exception.IsPresent)
                    onUnavailable?.Invoke(exception.Message);
            }
        }

        return devices;
    }

    /// <summary>How many devices of a kind this process sees; 0 where its driver is not there or cannot be used.</summary>
    /// <param name="kind">How they are driven.</param>
    public static int Count(IlgpuDeviceKind kind)
    {
        try
        {
            using Context context = CreateContext(kind, kind.ToString(), profiling: false);
            return DevicesOf(context, kind).Count;
        }
        catch (DeviceUnavailableException)
        {
            return 0;
        }
    }

    /// <summary>Where the device is on its machine's PCI bus, as the driver writes it, which tells two of the same name apart; null where it is on none that the driver tells of.</summary>
    public string? PciAddress => Accelerator is CudaAccelerator cuda
        ? string.Create(CultureInfo.InvariantCulture, $"{cuda.PCIDomainId:x4}:{cuda.PCIBusId:x2}:{cuda.PCIDeviceId:x2}")
        : null;

    /// <summary>Compiles all kernels now, the driver's part in parallel, rather than each when an op first needs it.</summary>
    /// <param name="ready">Called after each of the <see cref="KernelsToCompile"/>, from several threads.</param>
    public void CompileKernels(Action ready) => kernels.LoadAll(ready);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The kernels cannot count so many elements: at most 2^31 - 1 - 2^16.</exception>
    public Tensor Allocate(Shape shape) => new(new IlgpuStorage<float>(this, Countable(shape)), shape);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The kernels cannot count so many elements: at most 2^31 - 1 - 2^16.</exception>
    public IntTensor AllocateInt(Shape shape) => new(new IlgpuStorage<int>(this, Countable(shape)), shape);

    /// <inheritdoc/>
    public void Synchronize()
    {
        Stream.Synchronize();
        Synchronizations++;
        Staging.Arrive();
        string? broken = barriers.Find(barrier => barrier.Counters.Any(counter => counter >= GridBarrier.Broken)).Kernel;
        barriers.Clear();
        if (broken is not null)
            throw new DeviceFaultException($"{Name}: {broken} gave up: its groups waited for each other in vain, and what it computed is not complete ({CooperationVariable}=0 in the environment has it launched once a frame, where groups do not wait)");
    }

    /// <inheritdoc/>
    public void AwaitPrefetch() => CudaPrefetch?.Await();

    /// <inheritdoc/>
    public IHostCopies NewHostCopies() => Accelerator is CudaAccelerator cuda ? new CudaCopies(cuda, (CudaStream)Stream) : new WaitingCopies();

    /// <inheritdoc/>
    public void Dispose()
    {
        CudaPrefetch?.Dispose();
        Stream.Synchronize();
        clock?.Dispose();
        Staging.Dispose();
        Stream.Dispose();
        Accelerator.Dispose();
        context.Dispose();
    }

    /// <summary>Enough groups that each of <paramref name="items"/> has a thread; the last group's surplus threads must check.</summary>
    internal static KernelConfig Cover(int items, int threads) => new((int)(((long)items + threads - 1) / threads), threads);

    /// <summary>Compiles a kernel the first time, and returns the delegate that launches it.</summary>
    /// <remarks>Loading again returns the same delegate; still, keep it: a look-up per launch is waste.</remarks>
    /// <typeparam name="TLauncher">An action of the stream, the launch configuration, and then the kernel's own parameters.</typeparam>
    /// <param name="kernel">The kernel: a static method marked with <see cref="GpuKernelAttribute"/>.</param>
    /// <exception cref="ArgumentException">The method is not marked as a kernel, or the launcher's parameters differ from it.</exception>
    internal TLauncher Load<TLauncher>(Delegate kernel)
        where TLauncher : Delegate
    {
        MethodInfo method = kernel.Method;
        if (launchers.TryGetValue(method, out Delegate? loaded))
            return (TLauncher)loaded;
        IEnumerable<Type> expected = [typeof(AcceleratorStream), typeof(KernelConfig), .. ParameterTypes(method)];
        if (!expected.SequenceEqual(ParameterTypes(typeof(TLauncher).GetMethod(nameof(Action.Invoke))!)))
            throw new ArgumentException($"the launcher's parameters are not those of {method.DeclaringType?.Name}.{method.Name}", nameof(kernel));
        TLauncher launcher =
            record is not null ? KernelLaunch.Recorder<TLauncher>(method, record)
            : clock is not null ? KernelLaunch.Timed(method, kernels.Get(method).CreateLauncherDelegate<TLauncher>(), clock)
            : KernelLaunch.Checked(method, kernels.Get(method).CreateLauncherDelegate<TLauncher>());
        launchers.Add(method, launcher);
        return launcher;
    }

    /// <summary>Compiles a kernel whose groups wait for each other. Null where the device, or this engine, has no such launches.</summary>
    /// <param name="kernel">The kernel: a static method marked with <see cref="GpuKernelAttribute"/> as cooperative.</param>
    internal CooperativeKernel? LoadCooperative(Delegate kernel)
    {
        if (!HasCooperativeLaunch)
            return null;
        MethodInfo method = kernel.Method;
        GpuKernelAttribute mark = method.GetCustomAttribute<GpuKernelAttribute>()
            ?? throw new ArgumentException($"{method.DeclaringType?.Name}.{method.Name} lacks [GpuKernel]", nameof(kernel));
        if (record is not null)
            return new CooperativeKernel(this, method, null, MultiprocessorsOfP100 * mark.GroupsPerMultiprocessor, record, null);
        var loaded = (CudaKernel)kernels.Get(method);
        int groups = Accelerator.NumMultiprocessors * Accelerator.EstimateMaxActiveGroupsPerMultiprocessor(loaded, mark.Threads);
        return new CooperativeKernel(this, method, loaded, groups, null, clock);
    }

    /// <summary>Queues a look at a launch's barrier, of which the next <see cref="Synchronize"/> tells.</summary>
    internal void Watch(string kernel, ArrayView<int> counters)
    {
        int[] seen = new int[counters.Length];
        if (!Staging.TryCopyTo(counters, seen))
            counters.CopyToCPU(Stream, seen);
        barriers.Add((kernel, seen));
    }

    /// <summary>Told of each piece of device memory that is taken.</summary>
    internal void CountAllocation() => Allocations++;

    /// <summary>Queues a kernel that sets every element.</summary>
    internal void Fill<T>(ArrayView<T> view, T value)
        where T : unmanaged => fill.Fill(view, value);

    private static int Countable(Shape shape) => shape.Length <= LongestTensor
        ? shape.Length
        : throw new ArgumentException($"{shape} has {shape.Length:N0} elements; a tensor on a GPU has at most {LongestTensor:N0}", nameof(shape));

    /// <summary>What to tell of a device that is there and cannot be used.</summary>
    /// <param name="device">The device, as people name it.</param>
    /// <param name="exception">What came of making its engine.</param>
    internal static DeviceUnavailableException Unavailable(string device, Exception exception)
    {
        string reason = exception.GetBaseException() switch
        {
            CudaException cuda => Reason(cuda.Error, cuda.Message),
            OutOfMemoryException => Reason(nameof(CudaError.CUDA_ERROR_OUT_OF_MEMORY), ""),
            Exception other => other.Message,
        };
        return new DeviceUnavailableException($"{device} cannot be used: {reason.ReplaceLineEndings(" ")}", isPresent: true, exception);
    }

    /// <summary>What a driver's error means for whoever starts a run.</summary>
    /// <param name="error">The error's name, or its number where ILGPU has no name for it.</param>
    /// <param name="text">The driver's words.</param>
    internal static string Reason(string error, string text) => error switch
    {
        CudaErrorDeviceUnavailable => "it is busy, or another process has it to itself (nvidia-smi shows which)",
        nameof(CudaError.CUDA_ERROR_OUT_OF_MEMORY) => "its memory is taken (nvidia-smi shows by whom)",
        _ => $"{text} ({error})",
    };

    private static IlgpuEngine Create(IlgpuDeviceKind kind, int index, Action<KernelLaunch>? record = null, KernelClock? clock = null)
    {
        string wanted = kind switch { IlgpuDeviceKind.Cuda => "CUDA", IlgpuDeviceKind.OpenCl => "OpenCL", _ => "emulated" };
        Context context = CreateContext(kind, wanted, profiling: clock is not null);
        Accelerator? accelerator = null;
        string name = $"{wanted} device {index}";
        try
        {
            List<Device> devices = DevicesOf(context, kind);
            if (index < 0 || index >= devices.Count)
                throw new DeviceUnavailableException($"there is no {name}: {devices.Count} found", isPresent: false);
            name += $" ({devices[index].Name.Trim()})";
            accelerator = devices[index].CreateAccelerator(context);
            return new IlgpuEngine(context, accelerator, record, clock);
        }
        catch (Exception exception)
        {
            Discard(accelerator, context);
            if (exception is AcceleratorException or NotSupportedException or OutOfMemoryException or EntryPointNotFoundException or DllNotFoundException)
                throw Unavailable(name, exception);
            throw;
        }
    }

    /// <summary>Gives back what a device took before it failed.</summary>
    private static void Discard(Accelerator? accelerator, Context context)
    {
        try
        {
            accelerator?.Dispose();
            context.Dispose();
        }
        catch (AcceleratorException)
        {
            // A device that has failed may fail again here; told is what came first.
        }
    }

    /// <summary>A context with the devices of one kind, of which there is one at least.</summary>
    private static Context CreateContext(IlgpuDeviceKind kind, string wanted, bool profiling)
    {
        string reason = kind == IlgpuDeviceKind.Cuda ? "the driver (libcuda) reports none" : "the driver (libOpenCL.so) reports none";
        try
        {
            Context context = Context.Create(builder =>
            {
                GpuKernels.Configure(builder);
                if (profiling)
                    builder.Profiling();
                _ = kind switch
                {
                    IlgpuDeviceKind.Cuda => builder.Cuda(),
                    IlgpuDeviceKind.OpenCl => builder.OpenCL(_ => true), // ILGPU's own filter drops CPU devices such as PoCL's.
                    _ => builder.CPU(new CPUDevice(numThreadsPerWarp: 32, numWarpsPerMultiprocessor: EmulatedWarps, numMultiprocessors: 1)),
                };
            });
            if (DevicesOf(context, kind).Count > 0)
                return context;
            context.Dispose();
        }
        catch (AcceleratorException exception)
        {
            throw Unavailable($"{wanted}'s first device", exception);
        }
        catch (Exception exception) when (exception is DllNotFoundException or NotSupportedException or TypeInitializationException)
        {
            reason = exception.GetBaseException().Message.ReplaceLineEndings(" ");
        }

        // ILGPU leaves out what it cannot use, and says nothing.
        if (kind == IlgpuDeviceKind.Cuda && CudaDriver.WhyNoDevice() is { } fault)
            throw new DeviceUnavailableException($"no CUDA device can be used: {fault}", isPresent: true);
        throw new DeviceUnavailableException($"there is no {wanted} device: {reason}", isPresent: false);
    }

    /// <summary>The context's devices of one kind; ILGPU adds its CPU device to a context that would have none.</summary>
    private static List<Device> DevicesOf(Context context, IlgpuDeviceKind kind)
    {
        AcceleratorType type = kind switch
        {
            IlgpuDeviceKind.Cuda => AcceleratorType.Cuda,
            IlgpuDeviceKind.OpenCl => AcceleratorType.OpenCL,
            _ => AcceleratorType.CPU,
        };
        return [.. context.Devices.Where(device => device.AcceleratorType == type)];
    }

    private static IEnumerable<Type> ParameterTypes(MethodInfo method) => method.GetParameters().Select(parameter => parameter.ParameterType);

    private static string Gibibytes(long bytes) => $"{bytes / (double)(1 << 30):F0} GiB";
}
