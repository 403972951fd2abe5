namespace Ds2.Kernels.Contract;

/// <summary>Where the buffers of an exchange between processes lie, in the host's memory or a GPU's, and the additions that are done there while the engine's ops run on.</summary>
/// <remarks>
/// A GPU's memory can be sliced and pinned, which gives its device address, for a library that takes such; its span throws, as the host cannot read it. One thread at a time adds, which need not be the engine's.
/// The caller disposes this before the engine.
/// </remarks>
public interface IExchangeMemory : IDisposable
{
    /// <summary>How many elements to give one call of <see cref="Add"/>: what fits the cache on the host, without a limit on a GPU.</summary>
    int Block { get; }

    /// <summary>New memory; it may hold anything. Valid until this is disposed. For the engine's thread alone.</summary>
    /// <exception cref="OutOfMemoryException">There is not so much of it.</exception>
    Memory<float> Allocate(int length);

    /// <summary>A tensor's elements. Valid while its storage lives.</summary>
    /// <param name="tensor">Of the engine.</param>
    Memory<float> Of(Tensor tensor);

    /// <summary>Marks what the ops called so far leave. For the engine's thread alone.</summary>
    /// <returns>To be called once, on the thread that then exchanges: it waits for those ops, while later ones run, and makes the device that thread's current one, as a library that takes device pointers needs.</returns>
    Action Mark();

    /// <summary>sum[i] = a[i] + b[i], one rounding each. It may be done later, in the order of the calls: <see cref="Complete"/> waits for it.</summary>
    /// <param name="a">As long as <paramref name="sum"/>.</param>
    /// <param name="b">As long as <paramref name="sum"/>.</param>
    /// <param name="sum">Overwritten. May be a or b itself.</param>
    void Add(ReadOnlyMemory<float> a, ReadOnlyMemory<float> b, Memory<float> sum);

    /// <summary>copy[i] = x[i], done when a sum would be.</summary>
    /// <param name="x">As long as <paramref name="copy"/>.</param>
    /// <param name="copy">Overwritten. May be x itself.</param>
    void Copy(ReadOnlyMemory<float> x, Memory<float> copy);

    /// <summary>Returns when all sums and copies so far are done: whoever exchanges finds them, and every op called later.</summary>
    void Complete();
}
