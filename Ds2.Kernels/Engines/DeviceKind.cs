namespace Ds2.Kernels.Engines;

/// <summary>The devices a run can be asked to use.</summary>
public enum DeviceKind
{
    /// <summary>CUDA where there is one, else the host.</summary>
    Auto,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda,

    /// <summary>An OpenCL device.</summary>
    OpenCl,

    /// <summary>The CPU's vector units.</summary>
    Host,

    /// <summary>ILGPU's emulation of a GPU on the CPU: slow, for tests.</summary>
    Emulated,
}
