namespace Ds2.Runtime.Evaluation;

/// <summary>A step of an alignment: an item of each side, or of one alone.</summary>
/// <param name="Reference">The place in the reference; -1 where the hypothesis has something inserted.</param>
/// <param name="Hypothesis">The place in the hypothesis; -1 where the reference's item was deleted.</param>
public readonly record struct EditStep(int Reference, int Hypothesis);

/// <summary>Which items of a hypothesis stand for which of a reference: the alignment with the fewest substitutions, insertions and deletions (Levenshtein, 1966), as many as <see cref="ErrorRates"/> counts.</summary>
/// <remarks>
/// Of alignments with equally few errors the one is taken that pairs items as early as it can, a deletion going before an insertion. Sequences whose table would be large are cut in two where the shortest
/// edit passes (Hirschberg, 1975): memory is linear in their lengths, and the time doubles. sclite weighs a substitution 4 and the others 3 each, so that among errors side by side it may find another
/// alignment, never one of fewer errors.
/// </remarks>
public static class EditAlignment
{
    /// <summary>Places of the largest table that is kept as a whole: 16 MB.</summary>
    private const long MostPlaces = 1 << 22;

    /// <summary>Aligns two sequences.</summary>
    /// <param name="reference">What was said.</param>
    /// <param name="hypothesis">What was recognised.</param>
    /// <returns>The steps from start to end: every item of both sides once, in order.</returns>
    public static IReadOnlyList<EditStep> Of<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis)
        where T : IEquatable<T> => Of(reference, hypothesis, MostPlaces);

    /// <summary>Aligns two sequences, with tables of so many places at most.</summary>
    internal static IReadOnlyList<EditStep> Of<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis, long mostPlaces)
        where T : IEquatable<T>
    {
        var steps = new List<EditStep>(Math.Max(reference.Length, hypothesis.Length));
        Align(reference, hypothesis, 0, 0, mostPlaces, steps);
        return steps;
    }

    private static void Align<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis, int said, int heard, long mostPlaces, List<EditStep> steps)
        where T : IEquatable<T>
    {
        if ((reference.Length + 1L) * (hypothesis.Length + 1L) <= mostPlaces || reference.Length < 2)
        {
            AlignWhole(reference, hypothesis, said, heard, steps);
            return;
        }

        int half = reference.Length / 2, cut = 0;
        int[] before = Costs(reference[..half], hypothesis, backwards: false), after = Costs(reference[half..], hypothesis, backwards: true);
        for (int j = 1; j <= hypothesis.Length; j++)
        {
            if (before[j] + after[hypothesis.Length - j] < before[cut] + after[hypothesis.Length - cut])
                cut = j;
        }

        Align(reference[..half], hypothesis[..cut], said, heard, mostPlaces, steps);
        Align(reference[half..], hypothesis[cut..], said + half, heard + cut, mostPlaces, steps);
    }

    private static void AlignWhole<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis, int said, int heard, List<EditStep> steps)
        where T : IEquatable<T>
    {
        // costs[i, j]: errors in aligning what comes after the first i and j items, so that the way from the start can be read off.
        int n = reference.Length, m = hypothesis.Length;
        var costs = new int[n + 1, m + 1];
        for (int i = n; i >= 0; i--)
        {
            for (int j = m; j >= 0; j--)
            {
                costs[i, j] = i == n ? m - j : j == m ? n - i
                    : Math.Min(costs[i + 1, j + 1] + (reference[i].Equals(hypothesis[j]) ? 0 : 1), 1 + Math.Min(costs[i + 1, j], costs[i, j + 1]));
            }
        }

        for (int i = 0, j = 0; i < n || j < m;)
        {
            if (i < n && j < m && costs[i, j] == costs[i + 1, j + 1] + (reference[i].Equals(hypothesis[j]) ? 0 : 1))
                steps.Add(new EditStep(said + i++, heard + j++));
            else if (i < n && costs[i, j] == costs[i + 1, j] + 1)
                steps.Add(new EditStep(said + i++, -1));
            else
                steps.Add(new EditStep(-1, heard + j++));
        }
    }

    /// <summary>costs[j]: the distance of the whole reference to the first j items of the hypothesis, or backwards to the last j.</summary>
    private static int[] Costs<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis, bool backwards)
        where T : IEquatable<T>
    {
        if (!backwards)
            return ErrorRates.Distances(reference, hypothesis);
        T[] said = reference.ToArray(), heard = hypothesis.ToArray();
        Array.Reverse(said);
        Array.Reverse(heard);
        return ErrorRates.Distances<T>(said, heard);
    }
}
