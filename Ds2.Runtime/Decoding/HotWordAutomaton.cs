using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding;

/// <summary>Follows a text label by label and knows which hot words it ends with, and how far it has come with others.</summary>
/// <remarks>
/// Where words are separated by spaces, a phrase is searched for with a space before and after it, and a text read as if it stood between two: so phrases are found as whole words,
/// and what is left of a failed match (its longest end that begins another) begins at a word's start. State 0 is that of no match.
/// </remarks>
internal sealed class HotWordAutomaton
{
    private readonly int labels, space;

    /// <summary>An open hash of edges: key state * labels + label, or -1; and the state that the edge leads to.</summary>
    private readonly (int Key, int To)[] edges;

    private readonly int[] fallback;

    /// <summary>The boosts of the phrases that end in a state; and the credit for those that go on.</summary>
    private readonly double[] ending, credit;

    private readonly double[] enter, leave, largestGain;

    /// <summary>A bit for each label, modulo 64, that leads from a state elsewhere than to that of no match.</summary>
    private readonly ulong[] leading;

    /// <summary>Whether no phrase goes on from a state but those that begin at its last label.</summary>
    private readonly bool[] isFresh;

    public HotWordAutomaton(Alphabet alphabet, IEnumerable<(int[] Labels, double Boost)> phrases)
    {
        labels = alphabet.Size;
        space = alphabet.Space;
        var children = new List<Dictionary<int, int>> { new() };
        List<double> ends = [0], credits = [0];
        if (space > 0)
            Start = Child(0, space);
        foreach ((int[] phrase, double boost) in phrases)
        {
            int state = Start;
            for (int i = 0; i < phrase.Length; i++)
            {
                state = Child(state, phrase[i]);
                if (space > 0 || i < phrase.Length - 1)
                    credits[state] = Math.Max(credits[state], Math.Min(HotWords.LargestCredit, boost * (i + 1) / phrase.Length));
            }

            if (space > 0)
                state = Child(state, space);
            ends[state] += boost;
        }

        (ending, credit) = ([.. ends], [.. credits]);
        fallback = new int[children.Count];
        edges = Hash(children);
        int[] order = BreadthFirst(children);
        foreach (int state in order)
        {
            foreach ((int by, int child) in children[state])
            {
                fallback[child] = state == 0 ? 0 : Next(fallback[state], by);
                ending[child] += ending[fallback[child]];
                credit[child] = Math.Max(credit[child], credit[fallback[child]]);
            }
        }

        LargestBoost = ending.Max(Math.Abs);
        enter = [.. ending.Zip(credit, (end, part) => Math.Exp(end + part))];
        leave = [.. credit.Select(part => Math.Exp(-part))];
        isFresh = new bool[children.Count];
        leading = new ulong[children.Count];
        largestGain = new double[children.Count];
        foreach (int state in order)
        {
            leading[state] = state == 0 ? 0 : leading[fallback[state]];
            foreach (int by in children[state].Keys)
                leading[state] |= 1UL << (by & 63);
            isFresh[state] = state == Start || (state != 0 && children[state].Count == 0 && isFresh[fallback[state]]);
            double entered = Math.Max(1, state == 0 ? 0 : largestGain[fallback[state]] / leave[fallback[state]]);
            foreach (int child in children[state].Values)
                entered = Math.Max(entered, enter[child]);
            largestGain[state] = entered * leave[state];
        }

        int Child(int state, int by)
        {
            if (!children[state].TryGetValue(by, out int child))
            {
                children[state].Add(by, child = children.Count);
                children.Add([]);
                ends.Add(0);
                credits.Add(0);
            }

            return child;
        }
    }

    /// <summary>The largest sum of boosts, up or down, that one label's coming can bring.</summary>
    public double LargestBoost { get; }

    /// <summary>The state before a text.</summary>
    public int Start { get; }

    /// <summary>The state after one more label.</summary>
    public int Next(int state, int label)
    {
        for (; ; state = fallback[state])
        {
            // Where words are separated, nothing but a space begins anything.
            if (state == 0 && space > 0 && label != space)
                return 0;
            if (Edge(state, label, out int to))
                return to;
            if (state == 0)
                return 0;
        }
    }

    /// <summary>What a text's score gains from one state to the next: boosts of the phrases that are now over, credit for what is matched more, or less.</summary>
    public double Gain(int from, int to) => ending[to] + credit[to] - credit[from];

    /// <summary>e^<see cref="Gain"/>.</summary>
    public double Factor(int from, int to) => leave[from] * enter[to];

    /// <summary>Whether a label leads to the state of no match for sure: most do, which is known without a search.</summary>
    public bool EndsMatch(int state, int label) => (leading[state] >> (label & 63) & 1) == 0;

    /// <summary>Whether a text that ends with a space and is in this state is not within a phrase.</summary>
    public bool IsBetweenPhrases(int state) => isFresh[state];

    /// <summary>What is left of a text's score without the credit for what is matched, as a factor.</summary>
    public double LossOfCredit(int state) => leave[state];

    /// <summary>The largest <see cref="Factor"/> of any next label, or more.</summary>
    public double LargestFactor(int from) => largestGain[from];

    /// <summary>What a text's score gains at its end: what its last word ends, while credit for what has not come is taken back.</summary>
    /// <param name="state">Its last state.</param>
    /// <param name="inWord">Whether its last word is still without the space that would end it.</param>
    public double Finish(int state, bool inWord) => (space > 0 && inWord ? ending[Next(state, space)] : 0) - credit[state];

    private static int[] BreadthFirst(List<Dictionary<int, int>> children)
    {
        var order = new List<int>(children.Count) { 0 };
        for (int i = 0; i < order.Count; i++)
            order.AddRange(children[order[i]].Values);
        return [.. order];
    }

    private (int Key, int To)[] Hash(List<Dictionary<int, int>> children)
    {
        var table = new (int Key, int To)[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)children.Count * 2 + 2)];
        Array.Fill(table, (-1, 0));
        for (int state = 0; state < children.Count; state++)
        {
            foreach ((int by, int child) in children[state])
            {
                int key = Key(state, by);
                int at = Place(key, table.Length);
                while (table[at].Key >= 0)
                    at = (at + 1) & (table.Length - 1);
                table[at] = (key, child);
            }
        }

        return table;
    }

    private bool Edge(int state, int label, out int to)
    {
        int key = Key(state, label);
        for (int at = Place(key, edges.Length); ; at = (at + 1) & (edges.Length - 1))
        {
            (int found, to) = edges[at];
            if (found == key)
                return true;
            if (found < 0)
                return false;
        }
    }

    private int Key(int state, int label) => checked(state * labels + label);

    /// <summary>Fibonacci hashing (Knuth, volume 3, 6.4).</summary>
    private static int Place(int key, int size) => (int)((uint)key * 0x9E3779B9 >> 7) & (size - 1);
}
