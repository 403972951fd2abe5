using System.Runtime.Intrinsics;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The CPU at full speed: vector instructions on every core.</summary>
public sealed class HostEngine : IEngine
{
    /// <summary>An engine with its own worker threads.</summary>
    /// <param name="threads">Threads that ops run on, the caller's included; 0 for one per core.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public HostEngine(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Workers = new WorkerPool(threads == 0 ? Environment.ProcessorCount : threads);
    }

    /// <inheritdoc/>
    public string Name => $"host ({Workers.Threads} thread{(Workers.Threads == 1 ? "" : "s")}, {InstructionSet})";

    /// <summary>The threads that host kernels split their work over.</summary>
    internal WorkerPool Workers { get; }

    private static string InstructionSet =>
        Vector512.IsHardwareAccelerated ? "AVX-512"
        : Vector256.IsHardwareAccelerated ? "256-bit vectors"
        : Vector128.IsHardwareAccelerated ? "128-bit vectors"
        : "scalar";

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
    public void Dispose() => Workers.Dispose();
}
