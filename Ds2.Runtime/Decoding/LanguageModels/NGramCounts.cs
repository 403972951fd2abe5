namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>All n-grams of a text, order by order, sorted by their last word, then the word before it, and so on.</summary>
internal sealed class NGramCounts
{
    private NGramCounts(Level[] levels) => Levels = levels;

    /// <summary>The n-grams of each order, single words first; of them every word has a place, seen or not.</summary>
    public Level[] Levels { get; }

    /// <summary>Counts them. The text is used up.</summary>
    /// <remarks>
    /// An n-gram's place among those of its order is its rank. The rank of the n-gram that ends at a token, and the word before it, make the key by which the longer
    /// n-gram is sorted: a level costs one sort of numbers. The rank at the token before is that of the n-gram's context.
    /// </remarks>
    public static NGramCounts Of(TextTokens text, int order, IWorkProgress progress)
    {
        using IWorkItem work = progress.Begin("counting and sorting n-grams", order, WorkUnit.Items);
        int[] tokens = text.Take(), ranks = tokens, spare = [];
        var levels = new Level[order];
        var first = new Level(text.Vocabulary.Count);
        foreach (int token in tokens)
            first.Raw[token]++;
        int sentences = first.Raw[TextTokens.Begin];
        first.Raw[TextTokens.Begin] = 0;
        var active = new int[tokens.Length - sentences];
        for (int at = 0, next = 0; at < tokens.Length; at++)
        {
            if (tokens[at] != TextTokens.Begin)
                active[next++] = at;
        }
        for (int word = 0; word < first.Count; word++)
            first.First[word] = word;
        levels[0] = first;
        work.Advance(1);
        var keys = new ulong[active.Length];
        int most = active.Length;
        for (int n = 2; n <= order; n++)
        {
            // An n-gram that begins with <s> has no longer one.
            int count = 0;
            foreach (int at in active.AsSpan(0, most))
            {
                if (n == 2 || tokens[at - n + 2] != TextTokens.Begin)
                {
                    active[count] = at;
                    keys[count++] = ((ulong)(uint)ranks[at] << 32) | (uint)tokens[at - n + 1];
                }
            }
            most = count;
            Array.Sort(keys, active, 0, count);
            int distinct = 0;
            for (int i = 0; i < count; i++)
                distinct += i == 0 || keys[i] != keys[i - 1] ? 1 : 0;
            var level = new Level(distinct);

            // Where there is no n-gram, ranks of an earlier order may stand: nothing asks for them.
            int[] longer = n == order ? [] : spare.Length > 0 ? spare : new int[tokens.Length];
            int rank = -1;
            for (int i = 0; i < count; i++)
            {
                if (i == 0 || keys[i] != keys[i - 1])
                {
                    rank++;
                    level.First[rank] = (int)(uint)keys[i];
                    level.Suffix[rank] = (int)(keys[i] >> 32);
                    level.Context[rank] = ranks[active[i] - 1];
                }
                level.Raw[rank]++;
                if (n < order)
                    longer[active[i]] = rank;
            }
            levels[n - 1] = level;
            levels[n - 2].Adjust(level);
            (spare, ranks) = (n > 2 ? ranks : [], longer);
            work.Advance(1);
        }
        levels[^1].Adjusted = levels[^1].Raw;
        return new NGramCounts(levels);
    }

    /// <summary>The n-grams of one order by rank.</summary>
    internal sealed class Level(int count)
    {
        /// <summary>How many.</summary>
        public int Count => count;

        /// <summary>The earliest word of each.</summary>
        public int[] First { get; } = new int[count];

        /// <summary>The rank of each one's words but the first, in the order before.</summary>
        public int[] Suffix { get; } = new int[count];

        /// <summary>The rank of each one's words but the last, in the order before.</summary>
        public int[] Context { get; } = new int[count];

        /// <summary>How often each was seen.</summary>
        public int[] Raw { get; } = new int[count];

        /// <summary>The count that Kneser-Ney estimates from: of the longest n-grams and of those that begin with <c>&lt;s&gt;</c> how often they were seen, of others
        /// how many different words were seen before them.</summary>
        public int[] Adjusted { get; set; } = [];

        /// <summary>Fills <see cref="Adjusted"/> from the n-grams that are one word longer.</summary>
        public void Adjust(Level longer)
        {
            var adjusted = new int[count];
            foreach (int suffix in longer.Suffix)
                adjusted[suffix]++;
            for (int i = 0; i < count; i++)
            {
                // <s> itself was never counted: it is not predicted.
                if (First[i] == TextTokens.Begin)
                    adjusted[i] = Raw[i];
            }
            Adjusted = adjusted;
        }
    }
}
