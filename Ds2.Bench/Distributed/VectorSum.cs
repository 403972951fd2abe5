using System.Numerics;
using System.Runtime.InteropServices;

namespace Ds2.Bench.Distributed;

/// <summary>Sums of stretches of the same length, element by element, from the first to the last.</summary>
internal static class VectorSum
{
    /// <summary>What one pass adds up stays in the first-level cache.</summary>
    private const int Block = 2048;

    /// <summary>target = ((s0 + s1) + s2) + …, the stretches as they lie one after the other.</summary>
    /// <param name="stretches">At least one, each as long as <paramref name="target"/>.</param>
    /// <param name="target">Overwritten; apart from the stretches.</param>
    public static void Of(ReadOnlySpan<float> stretches, Span<float> target)
    {
        int length = target.Length;
        for (int start = 0; start < length; start += Block)
        {
            int count = Math.Min(Block, length - start);
            Span<float> sum = target.Slice(start, count);
            if (stretches.Length == length)
            {
                stretches.Slice(start, count).CopyTo(sum);
                continue;
            }

            Add(stretches.Slice(start, count), stretches.Slice(length + start, count), sum);
            for (int at = 2 * length; at < stretches.Length; at += length)
                Add(sum, stretches.Slice(at + start, count), sum);
        }
    }

    private static void Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> sum)
    {
        ref float left = ref MemoryMarshal.GetReference(a), right = ref MemoryMarshal.GetReference(b), to = ref MemoryMarshal.GetReference(sum);
        int i = 0;
        for (; i + Vector<float>.Count <= sum.Length; i += Vector<float>.Count)
            (Vector.LoadUnsafe(ref left, (nuint)i) + Vector.LoadUnsafe(ref right, (nuint)i)).StoreUnsafe(ref to, (nuint)i);
        for (; i < sum.Length; i++)
            sum[i] = a[i] + b[i];
    }
}
