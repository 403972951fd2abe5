namespace Ds2.Train.Reporting.Report;

/// <summary>A word of an alignment; both sides differ where it was heard wrong, one is missing where it was dropped or made up.</summary>
internal readonly record struct AlignedWord(string? Reference, string? Hypothesis)
{
    public bool IsError => Reference != Hypothesis;
}

/// <summary>Which words were heard as which: the alignment with the fewest errors.</summary>
internal static class WordDiff
{
    public static IReadOnlyList<AlignedWord> Align(string reference, string hypothesis)
    {
        string[] said = Words(reference), heard = Words(hypothesis);
        // costs[i, j]: errors in aligning what comes after the first i and j words, so that the way from the start can be read off.
        var costs = new int[said.Length + 1, heard.Length + 1];
        for (int i = said.Length; i >= 0; i--)
        {
            for (int j = heard.Length; j >= 0; j--)
            {
                int replace = i < said.Length && j < heard.Length ? costs[i + 1, j + 1] + (said[i] == heard[j] ? 0 : 1) : int.MaxValue;
                int delete = i < said.Length ? costs[i + 1, j] + 1 : int.MaxValue;
                int insert = j < heard.Length ? costs[i, j + 1] + 1 : int.MaxValue;
                costs[i, j] = i == said.Length && j == heard.Length ? 0 : Math.Min(replace, Math.Min(delete, insert));
            }
        }

        var words = new List<AlignedWord>();
        for (int i = 0, j = 0; i < said.Length || j < heard.Length;)
        {
            if (i < said.Length && j < heard.Length && costs[i, j] == costs[i + 1, j + 1] + (said[i] == heard[j] ? 0 : 1))
                words.Add(new AlignedWord(said[i++], heard[j++]));
            else if (i < said.Length && costs[i, j] == costs[i + 1, j] + 1)
                words.Add(new AlignedWord(said[i++], null));
            else
                words.Add(new AlignedWord(null, heard[j++]));
        }

        return words;
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
