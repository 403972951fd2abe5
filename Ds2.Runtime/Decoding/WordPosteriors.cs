using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding;

/// <summary>How sure each word of a text is.</summary>
/// <remarks>
/// A word's confidence is the share of the hypotheses that have it at its place: each counts with its posterior probability among those of the list, exp(scale * score) of the sum of all,
/// and places are those of the shortest edit of the two texts' words (as in Evermann and Woodland, Large vocabulary decoding and confidence estimation using word posterior
/// probabilities, 2000, with a list for the lattice). What all hypotheses have is 1. A scale below 1 flattens the posteriors; docs/language-models.md has what that does to them.
/// Hypotheses of a search with a language model agree with each other, right or wrong: what a search without one says of the same words tells more, and the mean of the two most.
/// </remarks>
public static class WordPosteriors
{
    /// <summary>The scale that is used where none is given.</summary>
    public const double DefaultScale = 1;

    /// <summary>The confidence of each word of the best text.</summary>
    /// <param name="alphabet">Says what a word is: what spaces stand between or, without a space, each label.</param>
    /// <param name="hypotheses">Texts of one utterance, the best first; the more, the better: as many as the beam is wide.</param>
    /// <param name="scale">Above 0: the factor that scores are multiplied with.</param>
    /// <returns>One number from 0 to 1 for each word of the first text.</returns>
    /// <exception cref="ArgumentException">There is no hypothesis, or the scale is not above 0.</exception>
    public static double[] Of(Alphabet alphabet, IReadOnlyList<Hypothesis> hypotheses, double scale = DefaultScale)
    {
        ArgumentNullException.ThrowIfNull(hypotheses);
        return hypotheses.Count > 0 ? Of(alphabet, hypotheses[0].Text, hypotheses, scale) : throw new ArgumentException("no hypotheses", nameof(hypotheses));
    }

    /// <summary>The confidence of each word of a text that another decoder found.</summary>
    /// <param name="alphabet">As above.</param>
    /// <param name="text">The text.</param>
    /// <param name="hypotheses">Texts of the same utterance, in any order.</param>
    /// <param name="scale">As above.</param>
    /// <returns>One number from 0 to 1 for each word of the text.</returns>
    /// <exception cref="ArgumentException">There is no hypothesis, or the scale is not above 0.</exception>
    public static double[] Of(Alphabet alphabet, string text, IReadOnlyList<Hypothesis> hypotheses, double scale = DefaultScale)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(hypotheses);
        if (hypotheses.Count == 0)
            throw new ArgumentException("no hypotheses", nameof(hypotheses));
        if (!(scale > 0))
            throw new ArgumentException($"a scale of {scale}: it must be above 0", nameof(scale));
        string[] words = alphabet.WordsOf(text);
        var confidence = new double[words.Length];
        double highest = hypotheses.Max(hypothesis => hypothesis.Score), all = 0;
        foreach (Hypothesis hypothesis in hypotheses)
        {
            double weight = Math.Exp(scale * (hypothesis.Score - highest));
            all += weight;
            AddMatches(words, alphabet.WordsOf(hypothesis.Text), weight, confidence);
        }

        for (int i = 0; i < confidence.Length; i++)
            confidence[i] = Math.Min(1, confidence[i] / all);
        return confidence;
    }

    /// <summary>The confidence of each word of a text that a search with a language model found: the mean of what this search and one without the model say.</summary>
    /// <param name="alphabet">As above.</param>
    /// <param name="text">The text.</param>
    /// <param name="hypotheses">Texts of the utterance that the first search found, in any order.</param>
    /// <param name="acoustics">Texts of the utterance that a search without the model found.</param>
    /// <param name="scale">As above.</param>
    /// <returns>One number from 0 to 1 for each word of the text.</returns>
    /// <exception cref="ArgumentException">One of them found no hypothesis, or the scale is not above 0.</exception>
    public static double[] OfBoth(Alphabet alphabet, string text, IReadOnlyList<Hypothesis> hypotheses, IReadOnlyList<Hypothesis> acoustics, double scale = DefaultScale) =>
        [.. Of(alphabet, text, hypotheses, scale).Zip(Of(alphabet, text, acoustics, scale), (first, second) => (first + second) / 2)];

    /// <summary>Adds a weight to each word that stands at its place in another text.</summary>
    private static void AddMatches(string[] words, string[] others, double weight, double[] sums)
    {
        // costs[i, j]: the edits between what follows the first i words and the first j others.
        var costs = new int[words.Length + 1, others.Length + 1];
        for (int i = words.Length; i >= 0; i--)
        {
            for (int j = others.Length; j >= 0; j--)
            {
                costs[i, j] = i == words.Length ? others.Length - j
                    : j == others.Length ? words.Length - i
                    : Math.Min(costs[i + 1, j + 1] + (words[i] == others[j] ? 0 : 1), 1 + Math.Min(costs[i + 1, j], costs[i, j + 1]));
            }
        }

        for ((int i, int j) = (0, 0); i < words.Length && j < others.Length;)
        {
            bool alike = words[i] == others[j];
            if (costs[i, j] == costs[i + 1, j + 1] + (alike ? 0 : 1))
            {
                if (alike)
                    sums[i] += weight;
                (i, j) = (i + 1, j + 1);
            }
            else if (costs[i, j] == costs[i + 1, j] + 1)
            {
                i++;
            }
            else
            {
                j++;
            }
        }
    }
}
