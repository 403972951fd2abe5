using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding;

/// <summary>CTC prefix beam search that takes an utterance's frames piece by piece.</summary>
/// <remarks>
/// Graves and Jaitly (2014), algorithm 1, and Hannun et al. (2014): a prefix has two probabilities, of the alignments that end with a blank and of those that end with its last label:
/// <code>
/// b'(x)     = (b(x) + n(x)) p(blank)
/// n'(x)     = n(x) p(last label of x)                        the last label goes on
/// n'(x + c) = (b(x) + n(x), or b(x) if c is x's last label) p(c) f(x + c) / f(x)
/// </code>
/// f is what the language model, the words and the hot words are worth, as a factor: shallow fusion, applied when a word ends. The probabilities are kept as they are, not as logarithms,
/// multiplied with f and with a power of two that keeps the best of a frame near 1: so a frame takes neither exponentials nor logarithms, and what lies 10^-300 below the best is nothing.
/// A hot word's boost is an alignment's (see <see cref="HotWords"/>), so with hot words a prefix has these two probabilities for alignments with and without a claim to one apart: <see cref="PrefixMass"/>.
/// After each frame the Width best prefixes stay, those within Margin of the best one. Of equal prefixes the one whose labels come first, in the order of the alphabet, is the better one.
/// An object serves one utterance after the other, on one thread at a time, and keeps its memory: in a steady state a frame allocates nothing.
/// </remarks>
public sealed class BeamSearch
{
    private static readonly double Ln2 = Math.Log(2);

    private readonly Alphabet alphabet;
    private readonly PrefixTrie trie = new();
    private readonly TextScorer? scorer;
    private readonly LabelProbabilities frame;
    private readonly BestFirst best;
    private readonly int width;
    private readonly double leastFraction;
    private readonly int space;

    /// <summary>Whether hot words have borders, so that masses are apart.</summary>
    private readonly bool hasBorders;

    // The beam: [slots] a node and its mass. And where the next frame's is made.
    private int[] nodes, nextNodes;
    private PrefixMass[] masses, nextMasses;
    private int slots;

    // The masses that the beam's prefixes have a frame later, as far as they stay.
    private readonly PrefixMass[] stays;

    /// <summary>Whether the frame's space is a border for hot words.</summary>
    private bool isHeard;

    /// <summary>The power of two that all probabilities were divided by.</summary>
    private long exponent;

    /// <summary>[labels] the node of a prefix longer by a label, valid where <see cref="childOf"/> is the number of the visit.</summary>
    private readonly int[] child;
    private readonly long[] childOf;
    private long visits;

    private Extension[] extensions = new Extension[256];
    private readonly List<int> written = [], compared = [];

    /// <summary>A search.</summary>
    /// <param name="alphabet">The labels.</param>
    /// <param name="options">How wide it looks; null for the defaults.</param>
    /// <param name="model">An n-gram model of words as the alphabet writes them; null for none. It stays the caller's.</param>
    /// <param name="hotWords">Words and phrases to favour; null for none.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the hot words are of another alphabet.</exception>
    public BeamSearch(Alphabet alphabet, BeamOptions? options = null, LanguageModel? model = null, HotWords? hotWords = null)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        options ??= new BeamOptions();
        options.Validate();
        if (hotWords is not null && !hotWords.Alphabet.Equals(alphabet))
            throw new ArgumentException("the hot words are those of another alphabet", nameof(hotWords));
        if (hotWords is { Count: 0 })
            hotWords = null;
        this.alphabet = alphabet;
        width = options.Width;
        space = alphabet.Space;
        leastFraction = Math.Exp(-options.Margin);
        frame = new LabelProbabilities(alphabet.Size, options.MinLabelProbability);
        GoesByDoubt = model is not null && options.Temperature is null;
        if (model is not null && options.Temperature is { } temperature)
            Temperature = temperature;
        scorer = model is null && hotWords is null ? null : new TextScorer(alphabet, options, model, hotWords, trie);
        best = new BestFirst(Precedes);
        hasBorders = hotWords is not null && space > 0;
        (nodes, nextNodes) = (new int[width], new int[width]);
        (masses, nextMasses, stays) = (new PrefixMass[width], new PrefixMass[width], new PrefixMass[width]);
        child = new int[alphabet.Size];
        childOf = new long[alphabet.Size];
        Reset();
    }

    /// <summary>Whether the temperature is to be what <see cref="Doubt"/> of what is heard asks for: whoever has the logits before the search does knows it.</summary>
    internal bool GoesByDoubt { get; }

    /// <summary>What logits are divided by from the next frame on; 1, where nobody says otherwise.</summary>
    internal double Temperature
    {
        set => frame.Temperature = value;
    }

    /// <summary>Frames since the utterance's start.</summary>
    public long Frames { get; private set; }

    /// <summary>How many characters all texts of the beam begin with: they stay, whatever follows.</summary>
    public int Stable
    {
        get
        {
            // The trie has nothing but the beam's prefixes and what they begin with.
            int length = 0;
            Span<PrefixNode> all = trie.Nodes;
            for (int node = PrefixTrie.Root; all[node].Slot == PrefixTrie.None && all[all[node].Child].Next == PrefixTrie.None;)
            {
                node = all[node].Child;
                length += alphabet[all[node].Label].Length;
            }

            return length;
        }
    }

    /// <summary>Forgets what was heard: the next frame is an utterance's first.</summary>
    public void Reset()
    {
        trie.Clear();
        trie.Nodes[PrefixTrie.Root].Slot = 0;
        scorer?.Start();
        (slots, exponent, Frames) = (1, 0, 0);
        (nodes[0], masses[0]) = (PrefixTrie.Root, PrefixMass.Start);
    }

    /// <summary>Takes the next frames.</summary>
    /// <param name="logits">[frames, C]: scores before or after the softmax, C being the alphabet's size. A NaN counts as -inf.</param>
    /// <param name="frames">How many; 0 or more.</param>
    /// <exception cref="ArgumentException">The logits' length is not frames * C.</exception>
    public void Advance(ReadOnlySpan<float> logits, int frames)
    {
        if (logits.Length != (long)frames * alphabet.Size)
            throw new ArgumentException($"{logits.Length} logits are not [{frames}, {alphabet.Size}]", nameof(logits));
        for (int t = 0; t < frames; t++)
            Advance(logits.Slice(t * alphabet.Size, alphabet.Size));
    }

    /// <summary>The best texts so far, the best first. Their last words are not over: they have no part in the score yet.</summary>
    /// <param name="count">How many at most.</param>
    public IReadOnlyList<Hypothesis> Best(int count = 1) => Best(count, finished: false);

    /// <summary>Ends the utterance: its best texts, the best first. Then the search is as after <see cref="Reset"/>.</summary>
    /// <param name="count">How many at most.</param>
    public IReadOnlyList<Hypothesis> Finish(int count = 1)
    {
        IReadOnlyList<Hypothesis> hypotheses = Best(count, finished: true);
        Reset();
        return hypotheses;
    }

    /// <summary>Takes one frame.</summary>
    /// <param name="logits">[C].</param>
    internal void Advance(ReadOnlySpan<float> logits)
    {
        frame.Read(logits);
        isHeard = hasBorders && frame.Heard(logits, space) >= HotWords.LeastSpace;
        double highest = Stay(out double lowest);

        // Where the beam is full, whatever is below the lowest of those that stay is not among the best: they are enough to fill the next one.
        double cut = slots == width ? lowest : 0;
        int count = Extend(ref cut, ref highest);
        Frames++;

        // Where nothing but a space is heard and no text can have one, the frame is passed over.
        if (highest > 0)
            Select(count, highest);
    }

    /// <summary>What becomes of the beam's own prefixes.</summary>
    /// <returns>The probability of the best one.</returns>
    private double Stay(out double lowest)
    {
        ReadOnlySpan<double> p = frame.All;
        Span<PrefixNode> all = trie.Nodes;
        double highest = 0, pBlank = p[0];
        lowest = double.PositiveInfinity;
        for (int slot = 0; slot < slots; slot++)
        {
            ref PrefixNode prefix = ref all[nodes[slot]];
            ref PrefixMass mass = ref masses[slot], stay = ref stays[slot];
            stay.Blank = (mass.Blank + mass.Label) * pBlank;
            stay.Label = mass.Label * p[prefix.Label];
            int parent = prefix.Parent >= 0 ? all[prefix.Parent].Slot : PrefixTrie.None;
            if (parent >= 0)
                stay.Label += Extended(masses[parent], prefix.Parent, prefix.Label, prefix.HotState, prefix.Factor, prefix.WordFactor);
            double total = stay.Total;
            highest = Math.Max(highest, total);
            lowest = Math.Min(lowest, total);
        }

        return highest;
    }

    /// <summary>What comes out of a prefix's mass by one label more.</summary>
    /// <param name="from">The mass.</param>
    /// <param name="node">The prefix.</param>
    /// <param name="by">The label.</param>
    /// <param name="state">The state of hot words after it.</param>
    /// <param name="factor">What the score gains where there is a claim to hot words.</param>
    /// <param name="word">The part of the factor that is not hot words'.</param>
    /// <returns>Alignments that end with the label.</returns>
    private Vector256<double> Extended(in PrefixMass from, int node, int by, int state, double factor, double word)
    {
        Vector256<double> mass = (Repeats(node, by) ? from.Blank : from.Blank + from.Label) * frame.All[by];
        if (by == space && hasBorders)
            return Border(mass, node, state, factor, word);
        mass = PrefixMass.Multiply(mass, factor, word);

        // No hot word can come about in state 0: then a claim makes no difference.
        return state == 0 && PrefixMass.Unclaimed(mass) > 0 ? PrefixMass.WithClaim(mass) : mass;
    }

    /// <summary>The same by a space where hot words have borders.</summary>
    private Vector256<double> Border(Vector256<double> mass, int node, int state, double factor, double word)
    {
        Vector256<double> heard = PrefixMass.Multiply(mass, factor, word);

        // A second space decides nothing. A claim to a phrase that goes on is its beginning's; a word that begins here has its own.
        if (!scorer!.IsInWord(node) || (isHeard && !scorer.IsBetweenPhrases(state)))
            return heard;
        return isHeard ? PrefixMass.WithClaim(heard) : PrefixMass.WithoutClaim(mass * word, scorer.LossOfClaim(node)).WithElement(2, PrefixMass.Plain(heard));
    }

    private bool Repeats(int node, int by) => by == trie.Nodes[node].Label && node != PrefixTrie.Root;

    /// <summary>The prefixes that come out of the beam's by one label more, those apart that are in it.</summary>
    /// <returns>How many there are.</returns>
    private int Extend(ref double cut, ref double highest)
    {
        ReadOnlySpan<double> p = frame.All;
        ReadOnlySpan<long> extending = frame.Extending;
        int count = 0;
        if (extending.IsEmpty)
            return 0;
        double largest = p[LabelProbabilities.Label(extending[0])];
        cut = Math.Max(cut, highest * leastFraction);
        for (int slot = 0; slot < slots; slot++)
        {
            int node = nodes[slot];
            ref PrefixNode prefix = ref trie.Nodes[node];
            Vector256<double> ended = masses[slot].Blank, all = ended + masses[slot].Label;
            double total = PrefixMass.Of(all), most = scorer is null ? total : total * scorer.LargestFactor(prefix.HotState);
            if (most * largest < cut)
                continue;
            MarkChildren(prefix.Child);
            foreach (long element in extending)
            {
                int by = LabelProbabilities.Label(element);
                if (most * p[by] < cut)
                    break;
                double mass = total * p[by];
                if (mass < cut && scorer is not null && !scorer.CanGain(prefix.HotState, by))
                    continue;
                double factor = 1, word = 1;
                int known = childOf[by] == visits ? child[by] : PrefixTrie.None, state = 0;
                if (known != PrefixTrie.None)
                {
                    ref PrefixNode longer = ref trie.Nodes[known];
                    if (longer.Slot >= 0)
                        continue;
                    (factor, word, state) = (longer.Factor, longer.WordFactor, longer.HotState);
                }
                else if (scorer is not null && !scorer.TryExtend(node, by, mass, cut, out factor, out word, out state))
                {
                    continue;
                }

                // At most this; and this, nearly always.
                if (mass * Math.Max(factor, word) < cut)
                    continue;
                Vector256<double> from = Repeats(node, by) ? ended : all;
                double extended = (PrefixMass.Claimed(from) * factor + PrefixMass.Unclaimed(from) * word) * p[by];
                if (by == space && hasBorders && !isHeard)
                    extended = PrefixMass.Of(Border(from, node, state, factor, word)) * p[by];
                if (extended < cut || extended == 0)
                    continue;
                if (extended > highest)
                {
                    highest = extended;
                    cut = Math.Max(cut, highest * leastFraction);
                }

                if (count == extensions.Length)
                    Array.Resize(ref extensions, 2 * count);
                extensions[count++] = new Extension(slot, by, known, state, extended, factor, word);
            }
        }

        return count;
    }

    /// <summary>Notes which labels the trie has after a prefix.</summary>
    private void MarkChildren(int node)
    {
        visits++;
        Span<PrefixNode> all = trie.Nodes;
        for (; node != PrefixTrie.None; node = all[node].Next)
        {
            child[all[node].Label] = node;
            childOf[all[node].Label] = visits;
        }
    }

    /// <summary>Makes the best of those that stay and of the extensions the next beam.</summary>
    private void Select(int count, double highest)
    {
        double cut = highest * leastFraction;
        best.Clear();
        for (int slot = 0; slot < slots; slot++)
        {
            double mass = stays[slot].Total;
            if (mass >= cut && mass > 0)
                best.Add(mass, slot);
        }

        for (int i = 0; i < count; i++)
        {
            if (extensions[i].Mass >= cut)
                best.Add(extensions[i].Mass, slots + i);
        }

        best.KeepBest(width);

        // A power of two, so that nothing is rounded.
        int shift = Math.ILogB(highest);
        double scale = Math.ScaleB(1, -shift);
        exponent += shift;

        // The old beam's nodes go last: new ones may hang on them.
        for (int slot = 0; slot < slots; slot++)
            trie.Nodes[nodes[slot]].Slot = PrefixTrie.None;
        int kept = 0;
        foreach ((_, int index) in best.Items)
        {
            int node = index < slots ? nodes[index] : NodeOf(extensions[index - slots]);
            trie.Nodes[node].Slot = kept;
            nextNodes[kept] = node;
            ref PrefixMass next = ref nextMasses[kept++];
            next = index < slots ? stays[index] : new PrefixMass { Label = Extended(extensions[index - slots]) };
            next.Scale(scale);
        }

        for (int slot = 0; slot < slots; slot++)
        {
            if (trie.Nodes[nodes[slot]].Slot == PrefixTrie.None)
                trie.Release(nodes[slot]);
        }

        slots = kept;
        (nodes, nextNodes) = (nextNodes, nodes);
        (masses, nextMasses) = (nextMasses, masses);
    }

    private Vector256<double> Extended(in Extension extension) =>
        Extended(masses[extension.Slot], nodes[extension.Slot], extension.Label, extension.HotState, extension.Factor, extension.WordFactor);

    /// <summary>The node of an extension that the next beam has.</summary>
    private int NodeOf(in Extension extension)
    {
        if (extension.Known != PrefixTrie.None)
            return extension.Known;
        int node = trie.Add(nodes[extension.Slot], extension.Label);
        scorer?.Fill(node, extension.Factor, extension.WordFactor, extension.HotState);
        return node;
    }

    private List<Hypothesis> Best(int count, bool finished)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        best.Clear();
        for (int slot = 0; slot < slots; slot++)
            best.Add(Score(slot, finished).Total, slot);
        best.KeepBest(count);
        best.Sort();
        var hypotheses = new List<Hypothesis>(best.Items.Length);
        foreach ((double total, int slot) in best.Items)
        {
            trie.Labels(nodes[slot], written);
            ReadOnlySpan<int> labels = CollectionsMarshal.AsSpan(written);
            (double probability, TextScore score, _) = Score(slot, finished);
            hypotheses.Add(new Hypothesis(alphabet.Decode(labels), probability, score.Language, Words(labels), score.Unknown, score.HotWords, total));
        }

        return hypotheses;
    }

    /// <summary>ln P_ctc of a prefix of the beam, what its score has beyond that, and the score.</summary>
    private (double LogProbability, TextScore Beyond, double Total) Score(int slot, bool finished)
    {
        int node = nodes[slot];
        Vector256<double> mass = masses[slot].Blank + masses[slot].Label;
        double carried = trie.Nodes[node].Weight;
        TextScore score = scorer is null ? default : finished ? scorer.Finished(node) : scorer.Unfinished(node);

        // What the text has of its hot words' boosts is less by what alignments without a claim have not.
        double plain = Math.Log(PrefixMass.Plain(mass)), scaled = exponent * Ln2 - carried;
        double lack = Math.Log(PrefixMass.Of(PrefixMass.Multiply(mass, 1, Math.Exp(-score.End)))) - plain;
        return (plain + scaled, score with { HotWords = score.HotWords + lack }, plain + lack + scaled + score.Weight);
    }

    private int Words(ReadOnlySpan<int> labels)
    {
        if (space < 0)
            return labels.Length;
        int words = 0, before = space;
        foreach (int by in labels)
        {
            if (by != space && before == space)
                words++;
            before = by;
        }

        return words;
    }

    /// <summary>Whether a candidate's labels come before another's, a prefix before what it begins: a slot of the beam, or an extension with the number of slots added.</summary>
    private bool Precedes(int one, int other)
    {
        Write(one, written);
        Write(other, compared);
        return CollectionsMarshal.AsSpan(written).SequenceCompareTo(CollectionsMarshal.AsSpan(compared)) < 0;

        void Write(int candidate, List<int> labels)
        {
            trie.Labels(nodes[candidate < slots ? candidate : extensions[candidate - slots].Slot], labels);
            if (candidate >= slots)
                labels.Add(extensions[candidate - slots].Label);
        }
    }

    /// <summary>A prefix that comes out of one of the beam's by one label more.</summary>
    /// <param name="Slot">That prefix.</param>
    /// <param name="Label">The label.</param>
    /// <param name="Known">Its node, where others begin with it; else <see cref="PrefixTrie.None"/>.</param>
    /// <param name="HotState">The state of hot words.</param>
    /// <param name="Mass">Its probability, fused and scaled as those of the beam.</param>
    /// <param name="Factor">The part of it that is not CTC's, where borders are heard.</param>
    /// <param name="WordFactor">The part of the factor that is not hot words'.</param>
    private readonly record struct Extension(int Slot, int Label, int Known, int HotState, double Mass, double Factor, double WordFactor);
}
