using ILGPU;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Reductions over threads of a group, by a tree in shared memory.</summary>
/// <remarks>
/// The order depends on the number of threads alone, so results are equal bit for bit from run to run. (ILGPU's own group reductions use atomics,
/// whose order depends on timing, and its warp shuffles are missing on many OpenCL devices.)
/// All threads of the group must call, since the tree has barriers; a thread with nothing to add passes the neutral element.
/// </remarks>
internal static class GroupTree
{
    /// <summary>The combination of the values of <paramref name="count"/> threads, known to each of them.</summary>
    /// <typeparam name="T">What is combined.</typeparam>
    /// <typeparam name="TOperation">How.</typeparam>
    /// <param name="scratch">Shared memory, an element for each thread of the group. The next call may use it again: its first barrier protects what this one still reads.</param>
    /// <param name="value">The thread's own value.</param>
    /// <param name="count">Threads that combine with each other, a power of two.</param>
    /// <param name="stride">The distance between them: 1 for neighbours; 32, say, for the threads of the same lane. count * stride divides the group's size.</param>
    public static T Reduce<T, TOperation>(ArrayView<T> scratch, T value, int count, int stride)
        where T : unmanaged
        where TOperation : struct, IGroupOperation<T>
    {
        TOperation operation = default;
        int thread = Group.IdxX;
        int position = thread / stride % count;
        Group.Barrier();
        scratch[thread] = value;
        for (int half = count >> 1; half > 0; half >>= 1)
        {
            Group.Barrier();
            if (position < half)
                scratch[thread] = operation.Combine(scratch[thread], scratch[thread + half * stride]);
        }

        Group.Barrier();
        return scratch[thread - position * stride];
    }
}

/// <summary>An associative operation, as a type, so that the kernel compiler inlines it.</summary>
internal interface IGroupOperation<T>
{
    /// <summary>The combination of two values.</summary>
    T Combine(T left, T right);
}

/// <summary>Addition in fp32.</summary>
internal readonly struct FloatSum : IGroupOperation<float>
{
    /// <inheritdoc/>
    public float Combine(float left, float right) => left + right;
}

/// <summary>Addition in fp64.</summary>
internal readonly struct DoubleSum : IGroupOperation<double>
{
    /// <inheritdoc/>
    public double Combine(double left, double right) => left + right;
}

/// <summary>The greater of two; a NaN may be lost.</summary>
internal readonly struct FloatMaximum : IGroupOperation<float>
{
    /// <inheritdoc/>
    public float Combine(float left, float right) => left > right ? left : right;
}
