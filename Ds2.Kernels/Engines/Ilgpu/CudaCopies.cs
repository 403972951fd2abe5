using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Copies from and to a CUDA device on a stream of their own, through page-locked memory: which copies wait for ops, and ops for copies, is told to the device by events; the host waits for neither.</summary>
internal sealed class CudaCopies : IHostCopies
{
    private readonly CudaAccelerator accelerator;
    private readonly CudaStream ops;
    private readonly CudaStream copies;
    private readonly IntPtr opsDone, arrived;
    private readonly List<PageLockedFloats> memory = [];

    /// <param name="accelerator">The device.</param>
    /// <param name="ops">The queue of the ops.</param>
    public CudaCopies(CudaAccelerator accelerator, CudaStream ops)
    {
        this.accelerator = accelerator;
        this.ops = ops;

        // An event is of the device that the thread is bound to.
        accelerator.Bind();
        copies = (CudaStream)accelerator.CreateStream();
        opsDone = NewEvent();
        arrived = NewEvent();
    }

    /// <inheritdoc/>
    public Memory<float> AllocateHost(int length)
    {
        try
        {
            memory.Add(new PageLockedFloats(accelerator.AllocatePageLocked1D<float>(Math.Max(length, 1))));
        }
        catch (CudaException exception) when (exception.Error == nameof(CudaError.CUDA_ERROR_OUT_OF_MEMORY))
        {
            throw new OutOfMemoryException($"the host has no {sizeof(float) * (long)length:N0} bytes left that can be locked in memory", exception);
        }

        return memory[^1].Memory[..length];
    }

    /// <inheritdoc/>
    public Action CopyToHost(Tensor source, Memory<float> destination)
    {
        source.CheckLength(destination.Length);
        if (source.Length == 0)
            return () => { };
        accelerator.Bind();
        Behind(copies, opsDone, ops);
        source.View().CopyToCPUUnsafeAsync(copies, ref destination.Span[0], destination.Length);
        return Mark(accelerator, copies);
    }

    /// <inheritdoc/>
    public void CopyToDevice(ReadOnlyMemory<float> source, Tensor destination)
    {
        destination.CheckLength(source.Length);
        if (destination.Length == 0)
            return;
        accelerator.Bind();
        destination.Storage.CountWrite();
        destination.View().CopyFromCPUUnsafeAsync(copies, ref MemoryMarshal.GetReference(source.Span), source.Length);
        Behind(ops, arrived, copies);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        accelerator.Bind();
        copies.Synchronize();
        foreach (IntPtr recorded in new[] { opsDone, arrived })
            CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.DestroyEvent(recorded));
        copies.Dispose();
        foreach (IDisposable block in memory)
            block.Dispose();
    }

    /// <summary>Marks what is queued on a stream so far.</summary>
    /// <returns>To be called once, on any thread: it sleeps until that is done, and leaves the thread with the device.</returns>
    public static Action Mark(CudaAccelerator accelerator, CudaStream stream)
    {
        accelerator.Bind();
        IntPtr done = NewEvent();
        Record(done, stream);
        return () =>
        {
            accelerator.Bind();
            CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.SynchronizeEvent(done));
            CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.DestroyEvent(done));
        };
    }

    /// <summary>Has what is queued on a stream from now on come after what is queued on another one so far.</summary>
    private static void Behind(CudaStream later, IntPtr marker, CudaStream sooner)
    {
        Record(marker, sooner);
        if (!CudaDriver.TryWait(later, marker))
            sooner.Synchronize();
    }

    private static void Record(IntPtr marker, CudaStream stream) => CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.RecordEvent(marker, stream.StreamPtr));

    /// <summary>An event for which a thread sleeps.</summary>
    private static IntPtr NewEvent()
    {
        CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.CreateEvent(out IntPtr made, CudaEventFlags.CU_EVENT_DISABLE_TIMING | CudaEventFlags.CU_EVENT_BLOCKING_SYNC));
        return made;
    }

    /// <summary>Page-locked memory as the rest of the program knows memory. It does not move.</summary>
    private sealed unsafe class PageLockedFloats(PageLockedArray1D<float> array) : MemoryManager<float>
    {
        private readonly float* first = (float*)Unsafe.AsPointer(ref array.Span[0]);
        private readonly int length = (int)array.Length;

        public override Span<float> GetSpan() => new(first, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(first + elementIndex);

        public override void Unpin()
        {
            // Nothing was pinned.
        }

        protected override void Dispose(bool disposing) => array.Dispose();
    }
}
