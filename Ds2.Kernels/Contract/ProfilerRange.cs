using System.Runtime.InteropServices;

namespace Ds2.Kernels.Contract;

/// <summary>A named piece of the host's time line, for NVIDIA's profilers (NVTX): <c>using ProfilerRange range = ProfilerRange.Begin("rnns.0 forward");</c></summary>
/// <remarks>
/// Off unless the environment has DS2_NVTX=1 and NVIDIA's library is found, and then nothing is called and nothing allocated. Ranges nest; the kernels that are launched
/// within one are shown under its name (<c>nsys profile --trace=cuda,nvtx</c>). Ops name themselves, layers and steps are their callers' to name.
/// </remarks>
public readonly unsafe ref struct ProfilerRange
{
    /// <summary>The environment variable that asks for names: 1.</summary>
    public const string Variable = "DS2_NVTX";

    // Of CUDA up to 12, and since.
    private static readonly string[] Libraries = ["libnvToolsExt.so.1", "libnvtx3interop.so.1", "libnvtx3interop.so", "nvToolsExt64_1.dll"];

    private static readonly nint Library = Find();
    private static readonly delegate* unmanaged<byte*, int> Push = (delegate* unmanaged<byte*, int>)Export("nvtxRangePushA");
    private static readonly delegate* unmanaged<int> Pop = (delegate* unmanaged<int>)Export("nvtxRangePop");

    private readonly bool isOpen;

    private ProfilerRange(bool isOpen) => this.isOpen = isOpen;

    /// <summary>Whether ranges are asked for.</summary>
    public static bool IsWanted => Environment.GetEnvironmentVariable(Variable) == "1";

    /// <summary>Whether ranges are told to a profiler: wanted, and the library is there.</summary>
    public static bool IsOn { get; } = Push is not null && Pop is not null;

    /// <summary>Begins a range, which ends when what is returned is disposed, on the same thread.</summary>
    /// <param name="name">What the profile shows.</param>
    public static ProfilerRange Begin(string name)
    {
        if (!IsOn)
            return default;
        nint text = Marshal.StringToCoTaskMemUTF8(name);
        _ = Push((byte*)text);
        Marshal.FreeCoTaskMem(text);
        return new ProfilerRange(isOpen: true);
    }

    /// <summary>Ends the range.</summary>
    public void Dispose()
    {
        if (isOpen)
            _ = Pop();
    }

    private static nint Find()
    {
        if (IsWanted)
            foreach (string name in Libraries)
                if (NativeLibrary.TryLoad(name, out nint library))
                    return library;
        return 0;
    }

    private static nint Export(string name) => Library != 0 && NativeLibrary.TryGetExport(Library, name, out nint address) ? address : 0;
}
