namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Estimates interpolated modified Kneser-Ney models (Chen and Goodman, An Empirical Study of Smoothing Techniques for Language Modeling, TR-10-98, 1998).</summary>
/// <remarks>
/// As KenLM's lmplz computes them (Heafield et al., Scalable Modified Kneser-Ney Language Model Estimation, 2013), to the quirks that the remarks name: with a the
/// adjusted count and D its discount, u(w | c) = (a(c w) - D) / sum a(c x), gamma(c) = sum D / sum a(c x), p(w | c) = u(w | c) + gamma(c) p(w | c without its first word), down to
/// p(w) = u(w) + gamma / |V|, where V has <c>&lt;unk&gt;</c>, whose count is 0, and <c>&lt;/s&gt;</c>, and not <c>&lt;s&gt;</c>. The back-off weight of c is gamma(c). What is pruned
/// gives its count, not its discount, to gamma.
/// </remarks>
internal sealed class KneserNey
{
    private readonly NGramCounts.Level[] levels;
    private readonly EstimationOptions options;
    private readonly Discounts[] discounts;
    private readonly WordTable words = new();

    /// <summary>The place of each of the text's words in <see cref="words"/>, and of each n-gram of the order before in its list; -1 for what is pruned.</summary>
    private int[] wordPlaces = [], shorterPlaces = [];

    private KneserNey(NGramCounts.Level[] levels, EstimationOptions options)
    {
        this.levels = levels;
        this.options = options;
        discounts = [.. levels.Select((_, index) => Discounts.Of(CountsForDiscounts(levels, index), index + 1, options.FallbackDiscounts))];
    }

    /// <summary>Estimates a model.</summary>
    /// <param name="text">The text.</param>
    /// <param name="options">Valid ones.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <exception cref="InputException">Discounts cannot be computed and there is no fallback.</exception>
    public static NGramModel Estimate(TextTokens text, EstimationOptions options, IWorkProgress progress)
    {
        NGramCounts.Level[] levels = NGramCounts.Of(text, options.Order, progress).Levels;
        using IWorkItem work = progress.Begin("estimating", options.Order, WorkUnit.Items);
        return new KneserNey(levels, options).Estimate(text.Words, work);
    }

    private NGramModel Estimate(WordTable textWords, IWorkItem work)
    {
        var orders = new NGramList[levels.Length];
        double[] probabilities = Unigrams();
        orders[0] = Words(textWords, probabilities, Gammas(1));
        work.Advance(1);
        for (int n = 2; n <= levels.Length; n++)
        {
            (double[] sums, double[] gammas) = Sums(n);
            NGramCounts.Level level = levels[n - 1];
            var longer = new double[level.Count];
            for (int i = 0; i < level.Count; i++)
            {
                int adjusted = level.Adjusted[i], context = level.Context[i];
                longer[i] = (adjusted - (double)discounts[n - 1][adjusted]) / sums[context] + gammas[context] * probabilities[level.Suffix[i]];
            }
            probabilities = longer;
            orders[n - 1] = Listed(n, orders[n - 2], probabilities, Gammas(n));
            work.Advance(1);
        }
        return new NGramModel(words, orders);
    }

    /// <summary>The counts that an order's discounts come from.</summary>
    /// <remarks>Of the last n-gram of each order but the highest, lmplz takes the raw count where it should take the adjusted one (the end of AdjustCounts::Run). In a
    /// small text that shows in the fourth digit.</remarks>
    private static IEnumerable<int> CountsForDiscounts(NGramCounts.Level[] levels, int index)
    {
        NGramCounts.Level level = levels[index];
        int last = level.Count - 1;
        bool chained = index + 1 < levels.Length && levels.Take(index).All(lower => lower.First[^1] != TextTokens.Begin);
        return chained ? level.Adjusted.Take(last).Append(level.Raw[last]) : level.Adjusted;
    }

    private bool IsPruned(int n, int rank) => levels[n - 1].Raw[rank] <= options.PruneAt(n) && (n > 1 || rank > TextTokens.End);

    private double[] Unigrams()
    {
        NGramCounts.Level level = levels[0];
        double sum = 0, freed = 0;
        int vocabulary = 0;
        for (int i = 0; i < level.Count; i++)
        {
            sum += level.Adjusted[i];
            freed += IsPruned(1, i) ? level.Adjusted[i] : discounts[0][level.Adjusted[i]];
            vocabulary += i == TextTokens.Begin || IsPruned(1, i) ? 0 : 1;
        }
        var probabilities = new double[level.Count];
        for (int i = 0; i < level.Count; i++)
            probabilities[i] = (level.Adjusted[i] - discounts[0][level.Adjusted[i]] + freed / vocabulary) / sum;

        // Never predicted; 1, so that whoever multiplies it in changes nothing.
        probabilities[TextTokens.Begin] = 1;
        return probabilities;
    }

    /// <summary>The back-off weights of an order's n-grams; 1 for what is no context, nothing for the highest order.</summary>
    private double[] Gammas(int n)
    {
        if (n == levels.Length)
            return [];
        (double[] sums, double[] gammas) = Sums(n + 1);
        for (int i = 0; i < gammas.Length; i++)
            gammas[i] = sums[i] > 0 ? gammas[i] : 1;
        return gammas;
    }

    /// <summary>For each context of an order's n-grams the sum of their counts, and the weight of the shorter context.</summary>
    private (double[] Sums, double[] Gammas) Sums(int n)
    {
        NGramCounts.Level level = levels[n - 1];
        var sums = new double[levels[n - 2].Count];
        var gammas = new double[sums.Length];
        for (int i = 0; i < level.Count; i++)
        {
            int adjusted = level.Adjusted[i];
            sums[level.Context[i]] += adjusted;
            gammas[level.Context[i]] += IsPruned(n, i) ? adjusted : discounts[n - 1][adjusted];
        }
        for (int i = 0; i < sums.Length; i++)
            gammas[i] /= sums[i];
        return (sums, gammas);
    }

    private NGramList Words(WordTable textWords, double[] probabilities, double[] gammas)
    {
        var list = new NGramList(1, textWords.Count);
        wordPlaces = new int[textWords.Count];
        for (int i = 0; i < textWords.Count; i++)
        {
            wordPlaces[i] = IsPruned(1, i) ? -1 : words.Add(textWords[i]);
            if (wordPlaces[i] >= 0)
                list.Add([wordPlaces[i]], Math.Min(0, Log10(probabilities[i])), gammas.Length > 0 ? Log10(gammas[i]) : 0);
        }
        shorterPlaces = wordPlaces;
        return list;
    }

    private NGramList Listed(int n, NGramList shorter, double[] probabilities, double[] gammas)
    {
        NGramCounts.Level level = levels[n - 1];
        var list = new NGramList(n, level.Count);
        var places = new int[level.Count];
        Span<int> ngram = stackalloc int[NGramModel.MostOrders];
        ngram = ngram[..n];
        for (int i = 0; i < level.Count; i++)
        {
            places[i] = IsPruned(n, i) ? -1 : list.Count;
            if (places[i] < 0)
                continue;
            ngram[0] = wordPlaces[level.First[i]];
            shorter.CopyTo(shorterPlaces[level.Suffix[i]], ngram[1..]);
            list.Add(ngram, Math.Min(0, Log10(probabilities[i])), gammas.Length > 0 ? Log10(gammas[i]) : 0);
        }
        shorterPlaces = places;
        return list;
    }

    private static float Log10(double value) => value > 0 ? (float)Math.Log10(value) : ArpaReader.LogZero;
}
