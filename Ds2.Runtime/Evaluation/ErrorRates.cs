using System.Text;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Evaluation;

/// <summary>Word and character error rates, gathered over utterances.</summary>
/// <remarks>
/// An error is a substitution, an insertion or a deletion of the shortest edit (Levenshtein, 1966). Words are split at white space and compared as they are; of an alphabet without a space each
/// label is a word: no model could ever write the white space that such words would need. Characters are compared without white space, one of Unicode's beyond the
/// first 65,536 being one. Both texts are given as they are to be compared, normalised: what the alphabet cannot write stays in the reference and is an error. Rates are percentages and can exceed 100.
/// An empty reference: each word of the hypothesis is an error of the corpus rates, while the utterance's own rate is 0 if the hypothesis is empty too, else 100.
/// Corpus rates over no reference words at all follow the same rule: 0 without errors, else 100.
/// </remarks>
/// <param name="alphabet">What the texts are written with; null for one with a space.</param>
public sealed class ErrorRates(Alphabet? alphabet = null)
{
    private double utteranceRates;

    /// <summary>Words that were substituted, inserted or deleted.</summary>
    public long WordErrors { get; private set; }

    /// <summary>Words that were said.</summary>
    public long ReferenceWords { get; private set; }

    /// <summary>Characters that were substituted, inserted or deleted.</summary>
    public long CharacterErrors { get; private set; }

    /// <summary>Characters that were said.</summary>
    public long ReferenceCharacters { get; private set; }

    /// <summary>Utterances added.</summary>
    public int Utterances { get; private set; }

    /// <summary>Word error rate over the corpus, in percent: all errors over all reference words. The one that decides whether a target is met.</summary>
    public double Wer => Percent(WordErrors, ReferenceWords);

    /// <summary>Mean of the utterances' word error rates, in percent; 0 before the first utterance.</summary>
    public double WerUtterance => Utterances == 0 ? 0 : utteranceRates / Utterances;

    /// <summary>Character error rate over the corpus, in percent.</summary>
    public double Cer => Percent(CharacterErrors, ReferenceCharacters);

    /// <summary>Compares one utterance.</summary>
    /// <param name="reference">What was said.</param>
    /// <param name="hypothesis">What was recognised.</param>
    public void Add(string reference, string hypothesis)
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(hypothesis);
        string[] said = Words(reference, alphabet), heard = Words(hypothesis, alphabet);
        int errors = Distance<string>(said, heard);
        WordErrors += errors;
        ReferenceWords += said.Length;
        utteranceRates += Percent(errors, said.Length);

        (int characterDistance, int length) = Characters(string.Concat(said), string.Concat(heard));
        CharacterErrors += characterDistance;
        ReferenceCharacters += length;
        Utterances++;
    }

    /// <summary>Adds the utterances of another.</summary>
    /// <param name="other">Stays as it is.</param>
    public void Add(ErrorRates other)
    {
        ArgumentNullException.ThrowIfNull(other);
        WordErrors += other.WordErrors;
        ReferenceWords += other.ReferenceWords;
        CharacterErrors += other.CharacterErrors;
        ReferenceCharacters += other.ReferenceCharacters;
        utteranceRates += other.utteranceRates;
        Utterances += other.Utterances;
    }

    /// <summary>The fewest substitutions, insertions and deletions that turn one sequence into the other.</summary>
    internal static int Distance<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis)
        where T : IEquatable<T> => Distances(reference, hypothesis)[^1];

    /// <summary>The distances of a whole sequence to all beginnings of the other, from the empty one to all of it.</summary>
    /// <remarks>Wagner and Fischer, 1974, with one row of the table and the corner it overwrites.</remarks>
    internal static int[] Distances<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis)
        where T : IEquatable<T>
    {
        // costs[j]: the distance of what was read of the reference so far to the first j items of the hypothesis.
        var costs = new int[hypothesis.Length + 1];
        for (int j = 0; j < costs.Length; j++)
            costs[j] = j;
        for (int i = 0; i < reference.Length; i++)
        {
            int diagonal = costs[0];
            costs[0] = i + 1;
            for (int j = 0; j < hypothesis.Length; j++)
            {
                int replaced = diagonal + (reference[i].Equals(hypothesis[j]) ? 0 : 1);
                diagonal = costs[j + 1];
                costs[j + 1] = Math.Min(replaced, 1 + Math.Min(diagonal, costs[j]));
            }
        }
        return costs;
    }

    private static (int Errors, int Length) Characters(string reference, string hypothesis)
    {
        if (!reference.Any(char.IsSurrogate) && !hypothesis.Any(char.IsSurrogate))
            return (Distance<char>(reference, hypothesis), reference.Length);
        Rune[] said = [.. reference.EnumerateRunes()];
        return (Distance<Rune>(said, [.. hypothesis.EnumerateRunes()]), said.Length);
    }

    /// <summary>The words of a text: what stands between white space, or the labels of an alphabet without a space.</summary>
    internal static string[] Words(string text, Alphabet? alphabet) =>
        alphabet is { Space: < 0 } ? alphabet.WordsOf(text) : text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static double Percent(long errors, long total) => total > 0 ? 100.0 * errors / total : errors > 0 ? 100 : 0;
}
