using System.Globalization;

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
    private WordTable words = new();
    /// <summary>The place of each of the text's words in <see cref="words"/>, and of each n-gram of the order before in its list; -1 for what is pruned.</summary>
    private int[] wordPlaces = [], shorterPlaces = [];

    private KneserNey(NGramCounts.Level[] levels, EstimationOptions options, IWorkProgress progress)
    {
        this.levels = levels;
        this.options = options;
        var faults = new string?[levels.Length];
        discounts = [.. levels.Select((_, index) => Discounts.Of(CountsForDiscounts(levels, index), index + 1, options.FallbackDiscounts, out faults[index]))];
        if (faults.Any(fault => fault is not null))
        {
            progress.Note(string.Create(CultureInfo.InvariantCulture,
                $"the text is too small or too regular to compute discounts: {string.Join("; ", faults.OfType<string>())}: {string.Join(' ', options.FallbackDiscounts)} are taken there (--discount-fallback D1 D2 D3 takes others)"));
        }
    }

    /// <summary>Estimates a model.</summary>
    /// <param name="text">The text, which is used up.</param>
    /// <param name="options">Valid ones.</param>
    /// <param name="progress">Hears how far it is, and which orders have the fallback discounts.</param>
    public static NGramModel Estimate(TextTokens text, EstimationOptions options, IWorkProgress progress)
    {
        NGramCounts.Level[] levels = NGramCounts.Of(text, options.Order, progress).Levels;
        Garbage.Collect(16 * text.Length);
        using IWorkItem work = progress.Begin("estimating", levels.Sum(level => (long)level.Count), WorkUnit.Items);
        return new KneserNey(levels, options, progress).Estimate(text.Vocabulary, work);
    }

    private NGramModel Estimate(WordTable textWords, IWorkItem work)
    {
        var orders = new NGramList[levels.Length];
        double[] probabilities = Unigrams();
        Weights weights = WeightsFor(2);
        orders[0] = Words(textWords, probabilities, weights, work);
        for (int n = 2; n <= levels.Length; n++)
        {
            // A level's last use is by the order above it.
            levels[n - 2] = new NGramCounts.Level(0);
            probabilities = Interpolated(n, probabilities, weights);
            weights = WeightsFor(n + 1);
            orders[n - 1] = Listed(n, orders[n - 2], probabilities, weights, work);
            Garbage.Collect(20L * orders[n - 1].Count);
        }
        return new NGramModel(words, orders);
    }

    private double[] Interpolated(int n, double[] probabilities, Weights weights)
    {
        NGramCounts.Level level = levels[n - 1];
        var longer = new double[level.Count];
        for (int i = 0; i < level.Count; i++)
        {
            int adjusted = level.Adjusted[i], context = level.Context[i];
            longer[i] = (adjusted - (double)discounts[n - 1][adjusted]) / weights.Sums[context] + weights.Gammas[context] * probabilities[level.Suffix[i]];
        }
        return longer;
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

    /// <summary>The weights of the contexts that an order's n-grams have; none above the highest order.</summary>
    private Weights WeightsFor(int n)
    {
        if (n > levels.Length)
            return new Weights([], []);
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
        return new Weights(sums, gammas);
    }

    private NGramList Words(WordTable textWords, double[] probabilities, Weights weights, IWorkItem work)
    {
        // A copy only where words are left out.
        words = options.PruneAt(1) > 0 ? new WordTable() : textWords;
        var list = new NGramList(1, Kept(1));
        var tally = new Tally(work);
        wordPlaces = new int[textWords.Count];
        for (int i = 0; i < textWords.Count; i++)
        {
            tally.Add();
            wordPlaces[i] = IsPruned(1, i) ? -1 : words == textWords ? i : words.Add(textWords[i]);
            if (wordPlaces[i] >= 0)
                list.Add([wordPlaces[i]], Math.Min(0, Log10(probabilities[i])), weights.BackOff(i));
        }
        tally.Tell();
        shorterPlaces = wordPlaces;
        return list;
    }

    private int Kept(int n)
    {
        int kept = 0;
        for (int i = 0; i < levels[n - 1].Count; i++)
            kept += IsPruned(n, i) ? 0 : 1;
        return kept;
    }

    private NGramList Listed(int n, NGramList shorter, double[] probabilities, Weights weights, IWorkItem work)
    {
        Garbage.Collect(24L * shorterPlaces.Length);
        NGramCounts.Level level = levels[n - 1];
        var list = new NGramList(n, Kept(n));
        var tally = new Tally(work);
        var places = new int[level.Count];
        Span<int> ngram = stackalloc int[NGramModel.MostOrders];
        ngram = ngram[..n];
        for (int i = 0; i < level.Count; i++)
        {
            tally.Add();
            places[i] = IsPruned(n, i) ? -1 : list.Count;
            if (places[i] < 0)
                continue;
            ngram[0] = wordPlaces[level.First[i]];
            shorter.CopyTo(shorterPlaces[level.Suffix[i]], ngram[1..]);
            list.Add(ngram, Math.Min(0, Log10(probabilities[i])), weights.BackOff(i));
        }
        tally.Tell();
        shorterPlaces = places;
        return list;
    }

    private static float Log10(double value) => value > 0 ? (float)Math.Log10(value) : ArpaReader.LogZero;

    /// <summary>For each context the sum of the counts of what follows it, and the weight of the context that is a word shorter.</summary>
    private readonly record struct Weights(double[] Sums, double[] Gammas)
    {
        /// <summary>The logarithm of the weight; 0 for what is no context.</summary>
        public float BackOff(int context) => context < Sums.Length && Sums[context] > 0 ? Log10(Gammas[context]) : 0;
    }
}
