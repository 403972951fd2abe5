using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Copies to a CUDA device beside the kernels: from page-locked memory, on a stream of its own.</summary>
/// <remarks>
/// One copy is on its way at a time. What uses it waits in its own queue for an event behind the copy; the host waits only before it overwrites the page-locked
/// memory of a copy that is still on its way, a step later.
/// </remarks>
internal sealed class CudaPrefetch : IDisposable
{
    private readonly CudaAccelerator accelerator;
    private readonly CudaStream users;
    private readonly CudaStream stream;
    private readonly IntPtr arrived;
    private PageLockedArray1D<byte>? memory;
    private bool isCopying; // the last copy may still be reading it
    private bool unawaited;

    /// <param name="accelerator">The device.</param>
    /// <param name="users">The queue of what uses the copies.</param>
    public CudaPrefetch(CudaAccelerator accelerator, CudaStream users)
    {
        this.accelerator = accelerator;
        this.users = users;
        stream = (CudaStream)accelerator.CreateStream();
        CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.CreateEvent(out arrived, CudaEventFlags.CU_EVENT_DISABLE_TIMING));
    }

    /// <summary>Starts a copy; the source may change at once. Nothing that is queued may use the destination.</summary>
    public void Start<T>(ArrayView<T> destination, ReadOnlySpan<T> source)
        where T : unmanaged
    {
        FinishCopy();
        int bytes = checked(source.Length * Interop.SizeOf<T>());
        if (memory is null || memory.Length < bytes)
        {
            memory?.Dispose();
            memory = null;
            memory = accelerator.AllocatePageLocked1D<byte>(bytes + bytes / 8); // batches come sorted by length, each a little longer than the last
        }

        Span<T> piece = MemoryMarshal.Cast<byte, T>(memory.Span[..bytes]);
        source.CopyTo(piece);
        destination.CopyFromCPUUnsafeAsync(stream, ref piece[0], piece.Length);
        CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.RecordEvent(arrived, stream.StreamPtr));
        isCopying = unawaited = true;
    }

    /// <summary>What is queued from now on finds the copy arrived; the host does not wait for it.</summary>
    public void Await()
    {
        if (unawaited && !CudaDriver.TryWait(users, arrived))
            FinishCopy();
        unawaited = false;
    }

    public void Dispose()
    {
        stream.Synchronize();
        CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.DestroyEvent(arrived));
        stream.Dispose();
        memory?.Dispose();
    }

    /// <summary>Returns once the copy has arrived: after a step's work, at once.</summary>
    private void FinishCopy()
    {
        if (isCopying && CudaAPI.CurrentAPI.QueryEvent(arrived) != CudaError.CUDA_SUCCESS)
            stream.Synchronize();
        isCopying = false;
    }
}
