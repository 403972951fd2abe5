namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>The kinds of device that <see cref="IlgpuEngine"/> drives.</summary>
public enum IlgpuDeviceKind
{
    /// <summary>ILGPU's emulation of an NVIDIA GPU on the CPU.</summary>
    Emulated,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda,

    /// <summary>An OpenCL device.</summary>
    OpenCl,
}

/// <summary>A device that an engine can be made for.</summary>
/// <param name="Kind">How it is driven.</param>
/// <param name="Index">Its number among the devices of its kind.</param>
/// <param name="Name">What its driver calls it.</param>
/// <param name="MemoryBytes">The size of its memory.</param>
public sealed record IlgpuDevice(IlgpuDeviceKind Kind, int Index, string Name, long MemoryBytes);
