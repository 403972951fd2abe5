using System.Numerics;
using System.Runtime.InteropServices;

namespace Ds2.Runtime.Distributed;

/// <summary>Sums of vectors, element by element: one rounding each, so the bits are those of any engine.</summary>
internal static class VectorSum
{
    /// <summary>sum[i] = a[i] + b[i].</summary>
    /// <param name="a">As long as <paramref name="sum"/>.</param>
    /// <param name="b">As long as <paramref name="sum"/>.</param>
    /// <param name="sum">Overwritten. May be a or b itself.</param>
    public static void Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> sum)
    {
        ref float left = ref MemoryMarshal.GetReference(a), right = ref MemoryMarshal.GetReference(b), to = ref MemoryMarshal.GetReference(sum);
        int i = 0;
        for (; i + Vector<float>.Count <= sum.Length; i += Vector<float>.Count)
            (Vector.LoadUnsafe(ref left, (nuint)i) + Vector.LoadUnsafe(ref right, (nuint)i)).StoreUnsafe(ref to, (nuint)i);
        for (; i < sum.Length; i++)
            sum[i] = a[i] + b[i];
    }
}
