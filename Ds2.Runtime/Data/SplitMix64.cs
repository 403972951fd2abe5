namespace Ds2.Runtime.Data;

/// <summary>A seeded generator whose numbers are the same on every machine and with every version of .NET.</summary>
/// <remarks>Source: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014: a Weyl sequence through a 64-bit mixing function.</remarks>
/// <param name="seed">Any value; each gives another sequence.</param>
internal struct SplitMix64(ulong seed)
{
    private ulong state = seed;

    /// <summary>The generator for what happens to one utterance in one epoch.</summary>
    /// <remarks>Three draws mix the three numbers: neighbouring seeds, epochs and utterances give unrelated sequences.</remarks>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="utterance">The utterance's index in its corpus.</param>
    public static SplitMix64 For(int seed, int epoch, int utterance)
    {
        var random = new SplitMix64(unchecked((ulong)seed));
        random = new SplitMix64(random.Next() ^ unchecked((ulong)epoch));
        return new SplitMix64(random.Next() ^ unchecked((ulong)utterance));
    }

    /// <summary>A uniform 64-bit number.</summary>
    public ulong Next()
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }

    /// <summary>A uniform number in 0 .. bound - 1.</summary>
    /// <remarks>The high half of a 128-bit product; its bias, at most bound / 2^64, is beyond notice.</remarks>
    public int Next(int bound) => (int)Math.BigMul(Next(), (ulong)bound, out _);

    /// <summary>A uniform number in [low, high): 53 random bits, as many as a double holds.</summary>
    public double Next(double low, double high) => low + (high - low) * ((Next() >> 11) * (1.0 / (1UL << 53)));

    /// <summary>Permutes uniformly (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
