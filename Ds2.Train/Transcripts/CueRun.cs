namespace Ds2.Train.Transcripts;

/// <summary>Cuts words that follow each other without a long pause into cues: into the fewest that hold them.</summary>
/// <remarks>
/// Of all ways to do so it takes the one whose cues are about as long as each other and end where there is a pause: no cue is left with a single word because those before it
/// were filled to the brim. It is found as the best way for each beginning of the run, one after the other.
/// </remarks>
internal sealed class CueRun
{
    private readonly SpokenWord[] words;

    /// <summary>The columns where each word would begin and end, were all on one line.</summary>
    private readonly int[] starts, ends;

    /// <param name="words">At least one, none wider than a line.</param>
    public CueRun(SpokenWord[] words)
    {
        this.words = words;
        starts = new int[words.Length];
        ends = new int[words.Length];
        int column = 0;
        for (int i = 0; i < words.Length; i++)
        {
            starts[i] = column + DisplayText.Width(words[i].Before);
            ends[i] = column = starts[i] + DisplayText.Width(words[i].Text);
        }
    }

    /// <summary>The cues, each from the beginning of its first word to the end of its last.</summary>
    public IReadOnlyList<Cue> Cut()
    {
        var costs = new double[words.Length + 1];
        var firsts = new int[words.Length + 1];
        for (int end = 1; end <= words.Length; end++)
        {
            costs[end] = double.PositiveInfinity;
            // A single word is always a cue, however long it lasts; where words are too many for one, they are so with those before them too.
            for (int first = end - 1; first >= 0 && (first == end - 1 || Fits(first, end)); first--)
            {
                double cost = costs[first] + Cost(first, end);
                if (cost < costs[end])
                    (costs[end], firsts[end]) = (cost, first);
            }
        }

        var cues = new List<Cue>();
        for (int end = words.Length; end > 0; end = firsts[end])
            cues.Add(new Cue(words[firsts[end]].Start, words[end - 1].End, Lines(firsts[end], end)));
        cues.Reverse();
        return cues;
    }

    private bool Fits(int first, int end) => words[end - 1].End - words[first].Start <= CueCutter.Longest && LineEnd(first, end) is not null;

    /// <summary>One cue more outweighs all else. Squares add up to the least where lengths are equal; a pause of half a second is worth cues of 65 and 19 columns instead of two of 42.</summary>
    private double Cost(int first, int end)
    {
        const double another = 1000, longPause = 500, pauseWeight = 0.15;
        double fullness = (double)Width(first, end) / (2 * CueCutter.LineWidth);
        double pause = end < words.Length ? words[end].Start - words[end - 1].End : 0;
        return another + fullness * fullness - pauseWeight * Math.Min(pause / longPause, 1);
    }

    /// <summary>Where the first line ends, so that two lines are about as long as each other: the words' end where one line holds them; null where two do not.</summary>
    private int? LineEnd(int first, int end)
    {
        if (Width(first, end) <= CueCutter.LineWidth)
            return end;
        int shortest = int.MaxValue, cut = end;
        for (int i = first + 1; i < end; i++)
        {
            int longer = Math.Max(Width(first, i), Width(i, end));
            if (longer < shortest)
                (shortest, cut) = (longer, i);
        }

        return shortest <= CueCutter.LineWidth ? cut : null;
    }

    private string[] Lines(int first, int end)
    {
        int cut = LineEnd(first, end) ?? end;
        return cut == end ? [Line(first, end)] : [Line(first, cut), Line(cut, end)];
    }

    private int Width(int first, int end) => ends[end - 1] - starts[first];

    private string Line(int first, int end) => string.Concat(words[first..end].Select((word, i) => i == 0 ? word.Text : word.Before + word.Text));
}
