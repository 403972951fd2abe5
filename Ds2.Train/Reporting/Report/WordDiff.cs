using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;

namespace Ds2.Train.Reporting.Report;

/// <summary>A word of an alignment; both sides differ where it was heard wrong, one is missing where it was dropped or made up.</summary>
internal readonly record struct AlignedWord(string? Reference, string? Hypothesis)
{
    public bool IsError => Reference != Hypothesis;
}

/// <summary>Which words were heard as which: the alignment with the fewest errors.</summary>
internal static class WordDiff
{
    public static IReadOnlyList<AlignedWord> Align(string reference, string hypothesis, Alphabet? alphabet = null)
    {
        alphabet ??= Alphabet.English;
        string[] said = alphabet.WordsOf(reference), heard = alphabet.WordsOf(hypothesis);
        return [.. EditAlignment.Of<string>(said, heard).Select(step => new AlignedWord(step.Reference < 0 ? null : said[step.Reference], step.Hypothesis < 0 ? null : heard[step.Hypothesis]))];
    }
}
