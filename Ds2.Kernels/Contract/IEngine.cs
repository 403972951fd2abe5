namespace Ds2.Kernels.Contract;

/// <summary>A device that holds tensors and runs ops on them: the host's cores, or a GPU through ILGPU.</summary>
/// <remarks>
/// Ops on one engine run in the order in which they are called, as on one CUDA stream; a call may return before its work is done.
/// The host waits where it reads (<see cref="Tensor{T}.CopyTo"/>) or asks to (<see cref="Synchronize"/>). An engine serves one thread at a time.
/// Results are equal bit for bit from run to run on the same device and thread count.
/// </remarks>
public interface IEngine : IDisposable
{
    /// <summary>What it is, for people: the device, its instruction set or architecture, its threads.</summary>
    string Name { get; }

    /// <summary>A zeroed fp32 tensor; the caller owns and disposes it.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough memory; the message names the bytes asked for.</exception>
    Tensor Allocate(Shape shape);

    /// <summary>A zeroed int32 tensor; the caller owns and disposes it.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough memory; the message names the bytes asked for.</exception>
    IntTensor AllocateInt(Shape shape);

    /// <summary>Waits until all work called so far is done.</summary>
    void Synchronize();

    /// <summary>Ops called from now on find what <see cref="Tensor{T}.Prefetch"/> copies arrived; ops called so far may go on. The wait may be the queue's, not the host's.</summary>
    void AwaitPrefetch();

    /// <summary>Copies to and from host memory beside the ops; the caller disposes it.</summary>
    IHostCopies NewHostCopies();
}
