using System.Runtime.Intrinsics;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The CPU at full speed: vector instructions on every core.</summary>
public sealed class HostEngine : IEngine
{
    /// <summary>An engine with its own worker threads.</summary>
    /// <param name="threads">Threads that ops run on, the caller's included; 0 for one per core.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public HostEngine(int threads = 0)
        : this(threads, WidestLanes)
    {
    }

    /// <summary>An engine whose blocked kernels are those of registers of another width, for tests: what the machine does not have, the runtime emulates.</summary>
    /// <param name="threads">Threads that ops run on, the caller's included; 0 for one per core.</param>
    /// <param name="lanes">16, 8, 4 or 1.</param>
    internal HostEngine(int threads, int lanes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Workers = new WorkerPool(threads == 0 ? Environment.ProcessorCount : threads);
        Lanes = lanes;
    }

    /// <inheritdoc/>
    public string Name => $"host ({Workers.Threads} thread{(Workers.Threads == 1 ? "" : "s")}, {InstructionSet})";

    /// <summary>The threads that host kernels split their work over.</summary>
    internal WorkerPool Workers { get; }

    /// <summary>Numbers in a register of the kernels that block for registers and caches; what treats all elements alike always takes the widest.</summary>
    internal int Lanes { get; }

    private static int WidestLanes =>
        Vector512.IsHardwareAccelerated ? Lanes512.Count
        : Vector256.IsHardwareAccelerated ? Lanes256.Count
        : Vector128.IsHardwareAccelerated ? Lanes128.Count
        : Lanes1.Count;

    private string InstructionSet => Lanes == Lanes512.Count ? "AVX-512" : Lanes == Lanes1.Count ? "scalar" : $"{32 * Lanes}-bit vectors";

    /// <inheritdoc/>
    public Tensor Allocate(Shape shape) => new(new HostStorage<float>(this, shape.Length), shape);

    /// <inheritdoc/>
    public IntTensor AllocateInt(Shape shape) => new(new HostStorage<int>(this, shape.Length), shape);

    /// <inheritdoc/>
    public void Synchronize()
    {
        // Host ops are done when they return.
    }

    /// <inheritdoc/>
    public void AwaitPrefetch()
    {
        // As are copies.
    }

    /// <inheritdoc/>
    public IHostCopies NewHostCopies() => new WaitingCopies();

    /// <inheritdoc/>
    public void Dispose() => Workers.Dispose();
}
