namespace Ds2.Kernels.Contract;

/// <summary>Copies between an engine's tensors and host memory beside its ops, where the device can do both at once; elsewhere the host waits for each.</summary>
/// <remarks>
/// For large pieces that leave or come while ops run, as between processes. Copies are done in the order in which they are asked for, which one thread does at a time. A tensor must live until its copy is done.
/// The caller disposes this before the engine.
/// </remarks>
public interface IHostCopies : IDisposable
{
    /// <summary>Host memory that the device copies from and to at its full rate, beside its ops (page-locked on CUDA). Valid until this is disposed.</summary>
    /// <exception cref="OutOfMemoryException">There is not so much of it.</exception>
    Memory<float> AllocateHost(int length);

    /// <summary>Has a tensor copied to host memory as the ops called so far leave it, while those called later run: none of these may write it before the copy is done.</summary>
    /// <param name="source">The tensor.</param>
    /// <param name="destination">As long, of <see cref="AllocateHost"/>; overwritten.</param>
    /// <returns>To be called once, on any thread: it waits for the copy.</returns>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    Action CopyToHost(Tensor source, Memory<float> destination);

    /// <summary>Has a tensor overwritten from host memory. Ops called later find the values; those called so far run on meanwhile, and none of them may use the tensor.</summary>
    /// <param name="source">Of <see cref="AllocateHost"/>; the host must not change it before the copy is done, as it is at the end of any copy asked for later.</param>
    /// <param name="destination">As long.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    void CopyToDevice(ReadOnlyMemory<float> source, Tensor destination);
}
