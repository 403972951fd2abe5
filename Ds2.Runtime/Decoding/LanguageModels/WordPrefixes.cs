namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>What words begin with: a trie of their characters, which a search follows letter by letter to know at once when a word can be none of them any more.</summary>
/// <remarks>Level by level: a node's children stand beside each other, in the order of their characters. Read-only once made; any number of searches share one.</remarks>
internal sealed class WordPrefixes
{
    /// <summary>The node of no letters, and what stands for none.</summary>
    public const int Root = 0, None = -1;

    private readonly char[] letters;

    /// <summary>[nodes + 1] each node's first child.</summary>
    private readonly int[] first;

    /// <summary>A trie.</summary>
    /// <param name="words">In any order, some perhaps twice.</param>
    public WordPrefixes(IEnumerable<string> words)
    {
        string[] sorted = [.. words];
        Array.Sort(sorted, string.CompareOrdinal);
        var characters = new List<char> { '\0' };
        var children = new List<int>();

        // [from, to) the words that go through a node; depth its letters.
        List<(int From, int To)> level = [(0, sorted.Length)], next = [];
        for (int depth = 0; level.Count > 0; depth++, (level, next) = (next, level))
        {
            next.Clear();
            foreach ((int start, int to) in level)
            {
                children.Add(characters.Count);
                int from = start;
                while (from < to && sorted[from].Length == depth)
                    from++;
                while (from < to)
                {
                    int end = from + 1;
                    while (end < to && sorted[end][depth] == sorted[from][depth])
                        end++;
                    characters.Add(sorted[from][depth]);
                    next.Add((from, end));
                    from = end;
                }
            }
        }

        children.Add(characters.Count);
        (letters, first) = ([.. characters], [.. children]);
    }

    /// <summary>The node after some letters more; <see cref="None"/> where no word goes on so.</summary>
    /// <param name="node">Where they are added; none leads to none.</param>
    /// <param name="text">The letters.</param>
    public int Next(int node, ReadOnlySpan<char> text)
    {
        foreach (char letter in text)
        {
            if (node == None)
                return None;
            int from = first[node];
            ReadOnlySpan<char> children = letters.AsSpan(from, first[node + 1] - from);

            // A few dozen are compared in a step or two.
            int found = children.Length <= 64 ? children.IndexOf(letter) : children.BinarySearch(letter);
            node = found < 0 ? None : from + found;
        }

        return node;
    }
}
