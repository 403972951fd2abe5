namespace Ds2.Runtime.Distributed;

/// <summary>Lengths of stretches that lie one after the other, one for each rank.</summary>
internal static class Stretches
{
    /// <summary>Checks that there is a length for each rank, and that together they are as long as the memory.</summary>
    /// <exception cref="ArgumentException">They are not.</exception>
    public static void Check(ReadOnlySpan<int> counts, int ranks, int length, string name)
    {
        if (counts.Length != ranks)
            throw new ArgumentException($"{counts.Length} lengths for {ranks} ranks", name);
        long sum = 0;
        foreach (int count in counts)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(count, name);
            sum += count;
        }

        if (sum != length)
            throw new ArgumentException($"stretches of {sum} elements in all, in memory of {length}", name);
    }

    /// <summary>Where each begins.</summary>
    public static int[] Offsets(ReadOnlySpan<int> counts)
    {
        int[] offsets = new int[counts.Length];
        for (int i = 1; i < counts.Length; i++)
            offsets[i] = checked(offsets[i - 1] + counts[i - 1]);
        return offsets;
    }
}
