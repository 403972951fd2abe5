namespace Ds2.Kernels.Engines.Host;

/// <summary>How host kernels reach a tensor's elements.</summary>
internal static unsafe class HostTensors
{
    /// <summary>The first element. Valid while the tensor's storage lives.</summary>
    /// <exception cref="ObjectDisposedException">The storage was given back.</exception>
    public static T* Pointer<T>(this Tensor<T> tensor)
        where T : unmanaged
    {
        var storage = (HostStorage<T>)tensor.Storage;
        ObjectDisposedException.ThrowIf(storage.Pointer is null, tensor);
        return storage.Pointer + tensor.Offset;
    }
}
