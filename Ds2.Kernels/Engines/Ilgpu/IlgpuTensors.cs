using ILGPU;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>How GPU kernels reach a tensor's elements.</summary>
internal static class IlgpuTensors
{
    /// <summary>The elements, in row-major order. Valid while the tensor's storage lives.</summary>
    public static ArrayView<T> View<T>(this Tensor<T> tensor)
        where T : unmanaged =>
        ((IlgpuStorage<T>)tensor.Storage).View.SubView(tensor.Offset, tensor.Length);
}
