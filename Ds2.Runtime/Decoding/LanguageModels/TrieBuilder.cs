namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Makes the bytes of a compiled model of lists of n-grams.</summary>
/// <param name="model">The lists. N-grams that others presuppose and that are missing (pruning leaves such gaps) are added to them: the words of an n-gram but the
/// first and but the last, each with the probability that backing off gives it.</param>
/// <param name="path">For messages.</param>
internal sealed class TrieBuilder(NGramModel model, string path)
{
    private readonly NGramList[] orders = model.Orders;
    private readonly Level[] levels = new Level[model.Orders.Length + 1];

    /// <summary>The word of each number, and the number of each word.</summary>
    private int[] words = [], ids = [];

    /// <summary>Builds it.</summary>
    /// <param name="bits">Bits of a probability or back-off: 8 or 32.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <exception cref="InputException">An n-gram stands twice, or there is no <c>&lt;s&gt;</c> or <c>&lt;/s&gt;</c>.</exception>
    public LanguageModel Build(int bits, IWorkProgress progress)
    {
        bool hasUnknown = model.Words.Find(NGramModel.Unknown) >= 0;
        if (!hasUnknown)
            orders[0].Add([model.Words.Add(NGramModel.Unknown)], LanguageModel.UnknownFloor, 0);
        int begin = Required(NGramModel.Begin), end = Required(NGramModel.End);
        NumberWords();
        levels[1] = new Level { Source = words, Extends = new bool[words.Length], Children = [] };
        using (IWorkItem work = progress.Begin("sorting n-grams", null, WorkUnit.Items))
        {
            for (int n = 2; n <= orders.Length; n++)
            {
                // What was missing among the shorter ones is there now, and may itself lack others.
                while (!TryBuild(n, work))
                    n = Math.Max(2, n - 1);
                Garbage.Collect(8L * orders[n - 1].Count);
            }
        }
        for (int n = 2; n <= orders.Length; n++)
            BackOffMissing(n);
        return new TrieWriter(model, orders, levels, words, ids).Write(bits, hasUnknown, ids[begin], ids[end], progress);
    }

    private int Required(ReadOnlySpan<byte> word)
    {
        int index = model.Words.Find(word);
        return index >= 0 ? index : throw new InputException($"{path}: has no 1-gram {System.Text.Encoding.UTF8.GetString(word)}; a model of sentences is needed");
    }

    /// <summary>Numbers words by their hashes, the unknown one 0.</summary>
    private void NumberWords()
    {
        int count = model.Words.Count;
        words = [.. Enumerable.Range(0, count)];
        int unknown = model.Words.Find(NGramModel.Unknown);
        Array.Sort(words, (x, y) =>
        {
            if (x == unknown || y == unknown)
                return (y == unknown).CompareTo(x == unknown);
            ReadOnlySpan<byte> left = model.Words[x], right = model.Words[y];
            int order = WordHash.Short(left).CompareTo(WordHash.Short(right));
            return order != 0 ? order : left.SequenceCompareTo(right);
        });
        ids = new int[count];
        for (int id = 0; id < count; id++)
            ids[words[id]] = id;

        // The single words as read are in the words' own order: a word enters the table with its 1-gram.
    }

    /// <summary>Sorts the n-grams of an order below those of the order before. Where that lacks some, they are added to its list, and nothing else is done.</summary>
    private bool TryBuild(int n, IWorkItem work)
    {
        var tally = new Tally(work);
        NGramList list = orders[n - 1];
        var keys = new ulong[list.Count];
        var source = new int[list.Count];
        var missing = new MissingNGrams(orders[n - 2]);
        Array.Clear(levels[n - 1].Extends);
        Span<int> ngram = stackalloc int[n];
        for (int i = 0; i < list.Count; i++)
        {
            tally.Add();
            list.CopyTo(i, ngram);
            int suffix = Find(ngram[1..]), prefix = Find(ngram[..^1]);
            if (suffix < 0)
                missing.Add(ngram[1..]);
            if (prefix < 0)
                missing.Add(ngram[..^1]);
            else
                levels[n - 1].Extends[prefix] = true;
            keys[i] = ((ulong)(uint)suffix << 32) | (uint)ids[ngram[0]];
            source[i] = i;
        }
        tally.Tell();
        if (missing.Any)
            return false;
        Array.Sort(keys, source);
        var level = new Level { Source = source, Words = new int[list.Count], Extends = new bool[list.Count], Children = [] };
        var children = new uint[levels[n - 1].Source.Length + 1];
        for (int i = 0; i < keys.Length; i++)
        {
            if (i > 0 && keys[i] == keys[i - 1])
                throw Repeated(list, Math.Min(source[i], source[i - 1]), Math.Max(source[i], source[i - 1]));
            level.Words[i] = (int)(uint)keys[i];
            children[(keys[i] >> 32) + 1]++;
        }
        for (int i = 1; i < children.Length; i++)
            children[i] += children[i - 1];
        levels[n - 1].Children = children;
        levels[n] = level;
        return true;
    }

    private InputException Repeated(NGramList list, int first, int second)
    {
        var ngram = new int[list.Order];
        list.CopyTo(first, ngram);
        return new InputException($"{path}: line {list.FirstLine + second}: the {list.Order}-gram \"{model.Text(ngram)}\" stands on line {list.FirstLine + first} already");
    }

    /// <summary>The place of an n-gram within its level, or -1.</summary>
    private int Find(ReadOnlySpan<int> ngram)
    {
        int at = ids[ngram[^1]];
        for (int n = 2; n <= ngram.Length; n++)
        {
            uint[] children = levels[n - 1].Children;
            int from = (int)children[at], to = (int)children[at + 1];
            at = Array.BinarySearch(levels[n].Words, from, to - from, ids[ngram[^n]]);
            if (at < 0)
                return -1;
        }
        return at;
    }

    private void BackOffMissing(int n)
    {
        NGramList list = orders[n - 1], shorter = orders[n - 2];
        Span<int> ngram = stackalloc int[n];
        for (int i = list.Count - 1; i >= 0 && float.IsNaN(list.Probabilities[i]); i--)
        {
            list.CopyTo(i, ngram);
            int suffix = levels[n - 1].Source[Find(ngram[1..])], prefix = levels[n - 1].Source[Find(ngram[..^1])];
            list.Probabilities[i] = shorter.Probabilities[suffix] + shorter.BackOffs[prefix];
        }
    }

    /// <summary>The n-grams of an order, sorted by their last words, then the words before those.</summary>
    internal sealed class Level
    {
        /// <summary>Where each stands in its list.</summary>
        public required int[] Source { get; init; }

        /// <summary>The number of each one's earliest word.</summary>
        public int[] Words { get; init; } = [];

        /// <summary>Whether a longer n-gram begins with it.</summary>
        public required bool[] Extends { get; init; }

        /// <summary>Where the longer ones that end in it start, and where those of the last one end.</summary>
        public required uint[] Children { get; set; }
    }

    /// <summary>Adds n-grams to a list, each once.</summary>
    private sealed class MissingNGrams(NGramList list)
    {
        private readonly HashSet<string> added = [];

        public bool Any => added.Count > 0;

        public void Add(ReadOnlySpan<int> ngram)
        {
            if (added.Add(new string(System.Runtime.InteropServices.MemoryMarshal.Cast<int, char>(ngram))))
                list.Add(ngram, float.NaN, 0);
        }
    }
}
