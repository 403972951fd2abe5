using System.Numerics;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>About how many different things there were, in 64 kB however many they are: HyperLogLog (Flajolet and others, 2007) with the estimate of Ertl (New cardinality estimation algorithms for
/// HyperLogLog sketches, 2017), which is unbiased for few and many.</summary>
internal sealed class DistinctCounter
{
    private const int IndexBits = 16, Registers = 1 << IndexBits, LargestRank = 64 - IndexBits + 1;

    /// <summary>Five times the standard error of 1.04 / sqrt(registers).</summary>
    internal const double Margin = 5 * 1.04 / (1 << (IndexBits / 2));

    private readonly byte[] ranks = new byte[Registers];

    /// <summary>How many things were added, the same ones each time.</summary>
    public long Added { get; private set; }

    /// <summary>Not fewer are different, but in one of some millions of texts; about 2 % too many.</summary>
    public long AtMost => (long)Math.Min(Added, Math.Ceiling((1 + Margin) * Estimate()));

    /// <summary>Adds a thing.</summary>
    /// <param name="hash">Its hash, all of whose bits are well mixed.</param>
    public void Add(ulong hash)
    {
        Added++;
        int index = (int)(hash >> (64 - IndexBits));
        var rank = (byte)Math.Min(LargestRank, BitOperations.LeadingZeroCount(hash << IndexBits) + 1);
        if (ranks[index] < rank)
            ranks[index] = rank;
    }

    private double Estimate()
    {
        var counts = new int[LargestRank + 1];
        foreach (byte rank in ranks)
            counts[rank]++;
        double z = Registers * Tau(1 - (double)counts[LargestRank] / Registers);
        for (int rank = LargestRank - 1; rank >= 1; rank--)
            z = (z + counts[rank]) / 2;
        z += Registers * Sigma((double)counts[0] / Registers);
        return Registers / (2 * Math.Log(2)) * Registers / z;
    }

    private static double Sigma(double x)
    {
        if (x == 1)
            return double.PositiveInfinity;
        double sum = x, before;
        double y = 1;
        do
        {
            x *= x;
            before = sum;
            sum += x * y;
            y += y;
        }
        while (sum != before);
        return sum;
    }

    private static double Tau(double x)
    {
        if (x is 0 or 1)
            return 0;
        double sum = 1 - x, before;
        double y = 1;
        do
        {
            x = Math.Sqrt(x);
            before = sum;
            y /= 2;
            sum -= (1 - x) * (1 - x) * y;
        }
        while (sum != before);
        return sum / 3;
    }
}
