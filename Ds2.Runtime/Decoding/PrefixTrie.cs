using Ds2.Runtime.Decoding.LanguageModels;

namespace Ds2.Runtime.Decoding;

/// <summary>A word that is not over.</summary>
internal readonly record struct WordSoFar
{
    /// <summary>Where its letters stand among what the language model's words begin with.</summary>
    public int Known { get; init; }

    /// <summary>The same among the hot words' words; <see cref="WordPrefixes.None"/> after a letter where there are no hot words.</summary>
    public int KnownHot { get; init; }

    /// <summary>How many characters it has.</summary>
    public int Letters { get; init; }

    /// <summary>ln of what it has cost so far: of a word that can be none that is known.</summary>
    public double Charged { get; init; }

    /// <summary>Whether it may become a word that is known.</summary>
    public bool MayBeKnown => Known != WordPrefixes.None || KnownHot != WordPrefixes.None;
}

/// <summary>A prefix: its last label and the node of what stands before.</summary>
internal struct PrefixNode
{
    /// <summary>The prefix without its last label; -1 for the root's.</summary>
    public int Parent;

    /// <summary>The first of the prefixes that are one label longer; -1 for none.</summary>
    public int Child;

    /// <summary>The next prefix with the same parent, or the next free node; -1 for none.</summary>
    public int Next;

    /// <summary>The one before among those; -1 for the first.</summary>
    public int Previous;

    /// <summary>The last label; the blank for the root, -1 for a free node.</summary>
    public int Label;

    /// <summary>Its place in the beam; -1 where it is but what others begin with.</summary>
    public int Slot;

    /// <summary>The prefix up to the end of the last word that is over; the root's for none.</summary>
    public int Context;

    /// <summary>How far hot words are matched at its end.</summary>
    public int HotState;

    /// <summary>The word that it is within, where it does not end with a space; with a language model.</summary>
    public WordSoFar Word;

    /// <summary>Whether it is known what its last word would add to the score if it ended here.</summary>
    public bool EndIsKnown;

    /// <summary>exp of what its score has beyond CTC's, as a factor on its parent's.</summary>
    public double Factor;

    /// <summary>The part of <see cref="Factor"/> that is not hot words'.</summary>
    public double WordFactor;

    /// <summary>ln of the product of the factors from the root on.</summary>
    public double Weight;

    /// <summary>The part of <see cref="Weight"/> that is hot words', partly matched ones included.</summary>
    public double HotScore;
}

/// <summary>The prefixes that a search still knows: those of the beam and what they begin with. Nodes are recycled.</summary>
internal sealed class PrefixTrie
{
    public const int Root = 0, None = -1;

    private PrefixNode[] nodes = new PrefixNode[1024];
    private int used, free = None;

    public PrefixTrie() => Clear();

    /// <summary>The nodes; the span is that of before once <see cref="Add"/> was called.</summary>
    public Span<PrefixNode> Nodes => nodes;

    /// <summary>How many numbers nodes have at most.</summary>
    public int Capacity => nodes.Length;

    /// <summary>Forgets all prefixes but the empty one.</summary>
    public void Clear()
    {
        used = 1;
        free = None;
        nodes[Root] = new PrefixNode { Parent = None, Child = None, Next = None, Previous = None, Slot = None, Factor = 1, WordFactor = 1 };
    }

    /// <summary>A new prefix, one label longer than another.</summary>
    public int Add(int parent, int label)
    {
        int node = free;
        if (node != None)
        {
            free = nodes[node].Next;
        }
        else
        {
            if (used == nodes.Length)
                Array.Resize(ref nodes, 2 * used);
            node = used++;
        }

        int sibling = nodes[parent].Child;
        nodes[node] = new PrefixNode { Parent = parent, Child = None, Next = sibling, Previous = None, Label = label, Slot = None, Factor = 1, WordFactor = 1 };
        if (sibling != None)
            nodes[sibling].Previous = node;
        nodes[parent].Child = node;
        return node;
    }

    /// <summary>Forgets a prefix that is not in the beam, and what it begins with, as far as nothing else needs it. One that is forgotten already may be named again.</summary>
    public void Release(int node)
    {
        while (node != Root && nodes[node] is { Child: None, Slot: None, Label: >= 0 } forgotten)
        {
            if (forgotten.Previous != None)
                nodes[forgotten.Previous].Next = forgotten.Next;
            else
                nodes[forgotten.Parent].Child = forgotten.Next;
            if (forgotten.Next != None)
                nodes[forgotten.Next].Previous = forgotten.Previous;
            nodes[node].Next = free;
            nodes[node].Label = None;
            free = node;
            node = forgotten.Parent;
        }
    }

    /// <summary>The labels of a prefix, written over what a list holds.</summary>
    public void Labels(int node, List<int> labels)
    {
        labels.Clear();
        for (; node != Root; node = nodes[node].Parent)
            labels.Add(nodes[node].Label);
        labels.Reverse();
    }
}
