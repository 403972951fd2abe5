using Ds2.Runtime.Decoding.Alignment;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>Joins the pieces of a recording, so that what two pieces heard both is written once.</summary>
/// <remarks>
/// Where pieces overlap, words that both heard at about the same time are looked for, and of these the one nearest to the middle of the overlap is the seam: up to it the first piece counts,
/// after it the second; each piece knows least of what lies at its edge. Where they agree on no word, the seam is the widest gap, where the model said nothing but blanks, between the first
/// piece's words around the middle, and words count by their middles.
/// </remarks>
public static class Stitching
{
    /// <summary>How far the times of the same word may lie apart in two pieces, in seconds.</summary>
    private const double SameTime = 0.25;

    /// <summary>The segments of a recording: one of each piece in which something was said.</summary>
    /// <param name="pieces">In order.</param>
    /// <param name="separator">What stands between two words.</param>
    public static IReadOnlyList<Segment> Join(IReadOnlyList<PieceText> pieces, string separator)
    {
        ArgumentNullException.ThrowIfNull(pieces);
        var words = pieces.Select(piece => piece.Words).ToArray();
        var changed = new bool[pieces.Count];
        for (int i = 1; i < pieces.Count; i++)
        {
            if (!pieces[i].Overlaps)
                continue;
            (int left, int right) = Seam(words[i - 1], words[i], pieces[i].Start, pieces[i - 1].End);
            changed[i - 1] |= left < words[i - 1].Count;
            changed[i] |= right > 0;
            words[i - 1] = [.. words[i - 1].Take(left)];
            words[i] = [.. words[i].Skip(right)];
        }
        var segments = new List<Segment>();
        for (int i = 0; i < pieces.Count; i++)
        {
            PieceText piece = pieces[i];
            string text = changed[i] ? string.Join(separator, words[i].Select(word => word.Text)) : piece.Text.Trim();
            if (text.Length == 0)
                continue;
            // What was said of the whole piece is no alternative to a part of it.
            segments.Add(new Segment(
                words[i].Count > 0 ? words[i][0].Start : piece.Start, words[i].Count > 0 ? words[i][^1].End : piece.End, text, words[i], changed[i] ? [] : piece.Alternatives));
        }
        return segments;
    }

    /// <summary>How many words of the left piece stay, and how many of the right one go.</summary>
    private static (int Left, int Right) Seam(IReadOnlyList<TimedWord> left, IReadOnlyList<TimedWord> right, double from, double to)
    {
        double middle = (from + to) / 2, nearest = double.PositiveInfinity;
        (int Left, int Right)? seam = null;
        for (int i = left.Count - 1; i >= 0 && left[i].End > from; i--)
        {
            for (int j = 0; j < right.Count && right[j].Start < to; j++)
            {
                double distance = Math.Abs((left[i].Middle + right[j].Middle) / 2 - middle);
                if (left[i].Text == right[j].Text && Math.Abs(left[i].Middle - right[j].Middle) <= SameTime && distance < nearest)
                    (seam, nearest) = ((i + 1, j + 1), distance);
            }
        }
        if (seam is { } agreed)
            return agreed;
        double cut = WidestGap(left, from, to);
        return (left.Count(word => word.Middle < cut), right.Count(word => word.Middle < cut));
    }

    /// <summary>The middle of the widest stretch without a word in the middle half of an overlap.</summary>
    private static double WidestGap(IReadOnlyList<TimedWord> words, double from, double to)
    {
        double quarter = (to - from) / 4, at = from + quarter, end = to - quarter, cut = (from + to) / 2, widest = 0;
        foreach (TimedWord word in words.Append(new TimedWord("", end, end)))
        {
            double next = Math.Min(word.Start, end);
            if (next - at > widest)
                (cut, widest) = ((at + next) / 2, next - at);
            at = Math.Max(at, word.End);
        }
        return cut;
    }
}
