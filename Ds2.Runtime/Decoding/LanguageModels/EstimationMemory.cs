namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>The memory that it takes to estimate a model: the largest of what is held at each step.</summary>
/// <remarks>Each line names the arrays of that step; who changes them changes these. <see cref="Garbage"/> gives back what a step no longer needs.</remarks>
internal static class EstimationMemory
{
    /// <summary>The program itself, and what the collector has not looked for.</summary>
    private const long Program = 48 << 20;

    /// <summary>Large arrays leave gaps where others stood between them: up to 11 % were seen.</summary>
    private const double Gaps = 1.15;

    /// <summary>Bytes at most.</summary>
    /// <param name="text">The text, read.</param>
    /// <param name="options">How the model is estimated.</param>
    /// <param name="bits">8 or 32 for a compiled model; 0 for an ARPA file.</param>
    public static long Needed(TextTokens text, EstimationOptions options, int bits)
    {
        int order = options.Order;
        long tokens = text.Length, ending = tokens - text.Sentences;
        long[] counts = [text.Vocabulary.Count, .. text.Longer(order)];
        long words = text.Vocabulary.Memory * (options.PruneAt(1) > 0 ? 2 : 1);
        long most = Math.Max(4 * tokens + text.Vocabulary.Memory, Counting(tokens, ending, counts));
        for (int n = 1; n <= order; n++)
            most = Math.Max(most, Estimating(n, counts));
        if (bits > 0)
            most = Math.Max(most, Compiling(counts, text.Vocabulary.Bytes, bits));
        return Program + (long)(Gaps * (words + most));
    }

    /// <summary><see cref="NGramCounts"/>: the text, keys and their places, the ranks of two orders, the levels.</summary>
    private static long Counting(long tokens, long ending, long[] counts) =>
        Math.Max(8 * tokens, (4 + 4 * Math.Clamp(counts.Length - 2, 0, 2)) * tokens + 12 * ending + Levels(1, counts));

    /// <summary>The levels from an order on: four numbers an n-gram, and the adjusted count, which is one of the four in the highest order.</summary>
    private static long Levels(int from, long[] counts) => counts.Skip(from - 1).Sum() * 20 - 4 * counts[^1];

    /// <summary>The lists of orders: the words of an n-gram, probability and back-off.</summary>
    private static long Lists(int orders, long[] counts) => counts.Take(orders).Select((count, index) => 4 * (index + 3) * count).Sum();

    /// <summary><see cref="KneserNey"/> at an order: probabilities and weights of the order before, then those of its own, and its list.</summary>
    private static long Estimating(int n, long[] counts)
    {
        long held = Lists(n - 1, counts) + Levels(n, counts) + 4 * counts[0], before = n > 1 ? counts[n - 2] : 0, count = counts[n - 1];
        return held + Math.Max(28 * before + 8 * count, 4 * before + (8 + (n < counts.Length ? 16 : 0) + 4 * (n + 2) + 4) * count);
    }

    /// <summary><see cref="TrieBuilder"/> and <see cref="TrieWriter"/>: the lists, sorted levels, keys, the values to be quantised with their sums, and the model's own bytes.</summary>
    private static long Compiling(long[] counts, long wordBytes, int bits)
    {
        long held = Lists(counts.Length, counts) + 13 * counts[0], most = 0;
        for (int n = 2; n <= counts.Length; n++)
        {
            most = Math.Max(most, held + 17 * counts[n - 1]);
            held += 13 * counts[n - 1];
        }
        return Math.Max(most, held + new ModelLayout(bits, counts, wordBytes).Length + (bits == 8 ? 12 * counts.Skip(1).DefaultIfEmpty().Max() : 0));
    }
}
