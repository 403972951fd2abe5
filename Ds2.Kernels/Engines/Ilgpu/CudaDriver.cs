using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>The calls of NVIDIA's driver that ILGPU does not offer.</summary>
internal static unsafe class CudaDriver
{
    private const string Library = "libcuda.so.1";

    private static readonly IntPtr Handle = NativeLibrary.TryLoad(Library, out IntPtr handle) ? handle : IntPtr.Zero;
    private static readonly delegate* unmanaged<IntPtr, IntPtr, uint, int> StreamWaitEvent =
        (delegate* unmanaged<IntPtr, IntPtr, uint, int>)Export("cuStreamWaitEvent");

    private static readonly delegate* unmanaged<IntPtr, uint, uint, uint, uint, uint, uint, uint, IntPtr, void**, int> CooperativeLaunch =
        (delegate* unmanaged<IntPtr, uint, uint, uint, uint, uint, uint, uint, IntPtr, void**, int>)Export("cuLaunchCooperativeKernel");

    // CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH
    private const int CooperativeLaunchAttribute = 95;

    /// <summary>Why ILGPU finds no GPU though the driver is installed; null where there is no driver or no GPU.</summary>
    public static string? WhyNoDevice()
    {
        var init = (delegate* unmanaged<uint, int>)Export("cuInit");
        var getCount = (delegate* unmanaged<int*, int>)Export("cuDeviceGetCount");
        var getVersion = (delegate* unmanaged<int*, int>)Export("cuDriverGetVersion");
        if (init == null || getCount == null || getVersion == null)
            return null;
        int count = 0, version = 0;
        var error = (CudaError)init(0);
        if (error == CudaError.CUDA_SUCCESS)
            error = (CudaError)getCount(&count);
        if (error == CudaError.CUDA_SUCCESS)
            error = (CudaError)getVersion(&version);
        if (error == CudaError.CUDA_ERROR_NO_DEVICE || (error == CudaError.CUDA_SUCCESS && count == 0))
            return null;
        return error == CudaError.CUDA_SUCCESS
            ? $"the driver (CUDA {version / 1000}.{version % 1000 / 10}) is too old, or too old for its {count} GPU(s)"
            : $"the driver does not start: {TextOf(error)}";
    }

    /// <summary>Has all that is queued on a stream from now on wait for an event, and not the host. False, and nothing done, where the driver has no such call.</summary>
    /// <remarks>NVIDIA's has had it since CUDA 3.2; emulators may lack it.</remarks>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public static bool TryWait(CudaStream stream, IntPtr recorded)
    {
        if (StreamWaitEvent == null)
            return false;
        CudaException.ThrowIfFailed((CudaError)StreamWaitEvent(stream.StreamPtr, recorded, 0));
        return true;
    }

    /// <summary>Whether groups of a launch may wait for each other: a Pascal or newer, and a driver of CUDA 9 or newer.</summary>
    public static bool HasCooperativeLaunch(CudaAccelerator device)
    {
        var getAttribute = (delegate* unmanaged<int*, int, int, int>)Export("cuDeviceGetAttribute");
        int value = 0;
        return CooperativeLaunch != null && getAttribute != null && getAttribute(&value, CooperativeLaunchAttribute, device.DeviceId) == 0 && value != 0;
    }

    /// <summary>Queues a launch whose groups are on the device all at the same time.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="grid">Its groups, and the threads of each.</param>
    /// <param name="stream">The queue.</param>
    /// <param name="arguments">Where each of its arguments lies in host memory; read before this returns.</param>
    /// <exception cref="CudaException">The driver refuses: there are more groups than the device holds, for one.</exception>
    public static void LaunchCooperative(CudaKernel kernel, KernelConfig grid, CudaStream stream, IntPtr[] arguments)
    {
        using ScopedAcceleratorBinding bound = kernel.Accelerator.BindScoped();
        fixed (IntPtr* first = arguments)
        {
            CudaException.ThrowIfFailed((CudaError)CooperativeLaunch(
                kernel.FunctionPtr, (uint)grid.GridDim.X, (uint)grid.GridDim.Y, (uint)grid.GridDim.Z, (uint)grid.GroupDim.X, (uint)grid.GroupDim.Y, (uint)grid.GroupDim.Z,
                0, stream.StreamPtr, (void**)first));
        }
    }

    // ILGPU asks for libcuda.so, a name that a driver without development files may lack.
    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "ILGPU may load the driver before anything here is called.")]
    internal static void FindDriver() => AssemblyLoadContext.Default.ResolvingUnmanagedDll += (_, name) =>
        name == "cuda" && NativeLibrary.TryLoad(Library, out IntPtr found) ? found : IntPtr.Zero;

    private static IntPtr Export(string name) => Handle != IntPtr.Zero && NativeLibrary.TryGetExport(Handle, name, out IntPtr address) ? address : IntPtr.Zero;

    // Not ILGPU's CudaException, which has no texts where ILGPU has given the driver up.
    private static string TextOf(CudaError error)
    {
        var getText = (delegate* unmanaged<CudaError, byte**, int>)Export("cuGetErrorString");
        byte* text = null;
        if (getText != null)
            _ = getText(error, &text);
        return text == null ? $"error {(int)error}" : $"{Marshal.PtrToStringUTF8((IntPtr)text)} (error {(int)error})";
    }
}
