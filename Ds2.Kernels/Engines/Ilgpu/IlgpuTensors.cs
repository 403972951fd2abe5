using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>How GPU kernels reach a tensor's elements.</summary>
internal static class IlgpuTensors
{
    /// <summary>The elements, in row-major order. Valid while the tensor's storage lives.</summary>
    /// <remarks>ILGPU refuses a part that starts at a buffer's end, even an empty one: an empty tensor is a view of the start.</remarks>
    public static ArrayView<T> View<T>(this Tensor<T> tensor)
        where T : unmanaged =>
        ((IlgpuStorage<T>)tensor.Storage).View.SubView(tensor.Length > 0 ? tensor.Offset : 0, tensor.Length);

    /// <summary>Where a view's elements lie on the device: for kernels that load them past the first-level cache (<see cref="GridBarrier"/>).</summary>
    public static long Address<T>(this ArrayView<T> view)
        where T : unmanaged => view.LoadEffectiveAddressAsPtr().ToInt64();
}
