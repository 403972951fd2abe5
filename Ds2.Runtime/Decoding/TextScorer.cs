using System.Runtime.CompilerServices;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding;

/// <summary>What the score of a text has beyond CTC's: a language model's, its words', its hot words'.</summary>
/// <remarks>
/// With a language model no text begins with a space or has two in a row: a letter that is heard between two spaces, but not which one, is not lost so.
/// A word counts when a space ends it, or the text's end does; in alphabets without a space each label is a word, which the next one ends (as for Chinese).
/// What a prefix's word would add if it ended here is worked out once, however often the prefix is extended by a space and that falls out of the beam again.
/// </remarks>
internal sealed class TextScorer
{
    /// <summary>What a word adds at least: a factor below e^-400 is as good as 0, and products with it must not become 0, which has no order.</summary>
    private const double LeastLogFactor = -400;

    /// <summary>Letters of an unknown word that cost nothing by themselves; each further one costs alpha ln of the number of labels, as if all were alike.</summary>
    internal const int FreeLetters = 3;

    private static readonly double Ln10 = Math.Log(10);

    private readonly Alphabet alphabet;
    private readonly BeamOptions options;
    private readonly LanguageModel? model;
    private readonly HotWords? hotWords;
    private readonly HotWordAutomaton? automaton;
    private readonly PrefixTrie trie;
    private readonly int space;
    private readonly double largestWordFactor;

    private readonly double perLetter, letterFactor;
    private readonly WordPrefixes? prefixes, hotPrefixes;
    private WordEnd[] ends = new WordEnd[1024];
    private char[] word = new char[64];

    public TextScorer(Alphabet alphabet, BeamOptions options, LanguageModel? model, HotWords? hotWords, PrefixTrie trie)
    {
        (this.alphabet, this.options, this.model, this.hotWords, this.trie) = (alphabet, options, model, hotWords, trie);
        automaton = hotWords?.Automaton;
        space = alphabet.Space;
        perLetter = Math.Min(options.Alpha * Math.Log(alphabet.Size), -LeastLogFactor);
        letterFactor = Math.Exp(-perLetter);
        (prefixes, hotPrefixes) = (model?.Prefixes, hotWords?.Prefixes);

        // Alpha ln P and the penalty are at most 0.
        largestWordFactor = model is null ? 1 : Math.Exp(Math.Max(0, options.Beta));
    }

    /// <summary>Starts a text: the root's part.</summary>
    public void Start()
    {
        ref PrefixNode root = ref trie.Nodes[PrefixTrie.Root];
        root.HotState = automaton?.Start ?? 0;
        root.EndIsKnown = true;
        ends[PrefixTrie.Root] = new WordEnd { Factor = 1, State = model is null ? default : model.Begin };
    }

    /// <summary>An upper bound of what a prefix's extension by whatever label is multiplied with.</summary>
    public double LargestFactor(int hotState) => automaton is null ? largestWordFactor : largestWordFactor * Math.Max(1, automaton.LargestFactor(hotState));

    /// <summary>Whether a label may be multiplied with more than 1.</summary>
    public bool CanGain(int hotState, int label) => space < 0 || label == space || (automaton is not null && !automaton.EndsMatch(hotState, label));

    /// <summary>What a prefix's extension by a label is multiplied with, unless that is less than is worth while: then the language model need not be asked.</summary>
    /// <param name="node">The prefix.</param>
    /// <param name="label">The label.</param>
    /// <param name="mass">What is to be multiplied.</param>
    /// <param name="cut">The least product that is worth while.</param>
    /// <param name="factor">The factor, all borders of hot words being heard.</param>
    /// <param name="word">The part of it that is not hot words'.</param>
    /// <param name="hotState">The state of hot words after it.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryExtend(int node, int label, double mass, double cut, out double factor, out double word, out int hotState)
    {
        ref PrefixNode prefix = ref trie.Nodes[node];
        hotState = prefix.HotState;
        word = 1;
        if (CanGain(hotState, label))
            return TryExtendSearching(node, label, mass, cut, out factor, out word, out hotState);

        // Nearly all: a letter after which no hot word can come about.
        factor = automaton is null ? 1 : automaton.LossOfCredit(hotState);
        hotState = 0;
        if (model is not null)
        {
            _ = Extended(node, label, InWord(node, prefix.Label), out word);
            factor *= word;
        }

        return true;
    }

    private bool TryExtendSearching(int node, int label, double mass, double cut, out double factor, out double word, out int hotState)
    {
        ref PrefixNode prefix = ref trie.Nodes[node];
        hotState = prefix.HotState;
        factor = word = 1;
        bool inWord = InWord(node, prefix.Label);

        // A word of no letters has no probability; without a model of words, words are what spaces stand between, however many.
        if (label == space && !inWord)
            return model is null;
        double gain = 1;
        if (automaton is not null)
        {
            hotState = automaton.Next(prefix.HotState, label);
            gain = automaton.Factor(prefix.HotState, hotState);
        }

        if (model is not null && Ends(label, inWord))
        {
            if (mass * largestWordFactor * Math.Max(1, gain) < cut)
                return false;
            word = End(node).Factor;
        }

        if (model is not null && label != space)
        {
            _ = Extended(node, label, inWord, out double letters);
            word *= letters;
        }

        factor = word * gain;
        return true;
    }

    /// <summary>Whether a prefix ends within a word.</summary>
    public bool IsInWord(int node) => InWord(node, trie.Nodes[node].Label);

    /// <summary>Whether a prefix that ends with a space and has this state is not within a phrase.</summary>
    public bool IsBetweenPhrases(int hotState) => automaton!.IsBetweenPhrases(hotState);

    /// <summary>What a prefix's mass is multiplied with where it loses its claim to hot words.</summary>
    public double LossOfClaim(int node) => automaton!.LossOfCredit(trie.Nodes[node].HotState);

    /// <summary>Fills in a new prefix what depends on the one that it extends.</summary>
    public void Fill(int node, double factor, double word, int hotState)
    {
        Span<PrefixNode> nodes = trie.Nodes;
        ref PrefixNode prefix = ref nodes[node];
        ref PrefixNode parent = ref nodes[prefix.Parent];
        bool inWord = InWord(prefix.Parent, parent.Label), ended = Ends(prefix.Label, inWord);
        prefix.Factor = factor;
        prefix.WordFactor = word;
        prefix.HotState = hotState;
        prefix.Context = ended ? prefix.Parent : parent.Context;
        prefix.HotScore = parent.HotScore;
        prefix.Weight = parent.Weight;
        if (model is not null)
        {
            if (ended)
                prefix.Weight += End(prefix.Parent).LogFactor;
            if (prefix.Label != space)
            {
                prefix.Word = Extended(prefix.Parent, prefix.Label, inWord, out _);
                prefix.Weight += prefix.Word.Charged - (ended || !inWord ? 0 : parent.Word.Charged);
            }
        }

        if (automaton is not null && (prefix.Label != space || inWord))
        {
            double gain = automaton.Gain(parent.HotState, hotState);
            prefix.HotScore += gain;
            prefix.Weight += gain;
        }
    }

    /// <summary>The parts of a prefix's score beyond CTC's, as it stands: its last word, without an end, has no part yet.</summary>
    public TextScore Unfinished(int node)
    {
        ref PrefixNode prefix = ref trie.Nodes[node];
        return model is null
            ? new TextScore(0, 0, prefix.HotScore, prefix.Weight, 0)
            : new TextScore(ends[prefix.Context].Language, ends[prefix.Context].Unknown, prefix.HotScore, prefix.Weight, 0);
    }

    /// <summary>The same if the text ends here.</summary>
    public TextScore Finished(int node)
    {
        ref PrefixNode prefix = ref trie.Nodes[node];
        bool inWord = InWord(node, prefix.Label);
        double ending = automaton?.Finish(prefix.HotState, inWord) ?? 0, weight = prefix.Weight + ending, hot = prefix.HotScore + ending;
        if (model is null)
            return new TextScore(0, 0, hot, weight, ending);
        ref WordEnd end = ref End(inWord ? node : prefix.Context);
        if (inWord)
            weight += end.LogFactor;
        double over = Ln10 * model.End(end.State);
        return new TextScore(end.Language + over, end.Unknown, hot, weight + options.Alpha * over, ending);
    }

    /// <summary>The word that a prefix is within once a letter is added, and what the prefix is multiplied with for it.</summary>
    /// <remarks>
    /// A word costs all that an unknown one does as soon as it can be no other, then each further letter. Otherwise a text without spaces would cost nothing until its end,
    /// and those that pay word by word would be out of the beam by then.
    /// </remarks>
    private WordSoFar Extended(int node, int label, bool inWord, out double factor)
    {
        ref PrefixNode prefix = ref trie.Nodes[node];
        bool begins = !inWord || Ends(label, inWord);
        WordSoFar before = begins ? default : prefix.Word;
        ReadOnlySpan<char> text = alphabet[label];
        var after = new WordSoFar
        {
            Known = prefixes!.Next(before.Known, text),
            KnownHot = hotPrefixes?.Next(before.KnownHot, text) ?? WordPrefixes.None,
            Letters = before.Letters + text.Length,
            Charged = before.Charged,
        };
        factor = 1;
        if (after.MayBeKnown)
            return after;

        // While it might have been a known word, its letters cost nothing: now all of them do.
        int charged = before.MayBeKnown ? 0 : before.Letters;
        double due = Spelling(after.Letters) - Spelling(charged);
        for (int letter = Math.Max(charged, FreeLetters); letter < after.Letters; letter++)
            factor *= letterFactor;
        if (before.MayBeKnown)
        {
            ref WordEnd end = ref BeforeUnknown(begins && inWord ? node : prefix.Context);
            factor *= end.UnknownFactor;
            due += end.UnknownCost;
        }

        return after with { Charged = before.Charged + due };
    }

    /// <summary>The end of a word, with what an unknown one after it costs.</summary>
    private ref WordEnd BeforeUnknown(int context)
    {
        ref WordEnd end = ref ends[context];
        if (end.UnknownFactor == 0)
        {
            end.UnknownCost = Math.Max(LeastLogFactor, options.Alpha * Ln10 * model!.Score(end.State, 0, out _) + options.UnknownPenalty);
            end.UnknownFactor = Math.Exp(end.UnknownCost);
        }

        return ref end;
    }

    /// <summary>What so many letters of an unknown word cost.</summary>
    private double Spelling(int letters) => -perLetter * Math.Max(0, letters - FreeLetters);

    /// <summary>Whether a label comes after a word's last one.</summary>
    private bool Ends(int label, bool inWord) => inWord && (space < 0 || label == space);

    private bool InWord(int node, int label) => node != PrefixTrie.Root && label != space;

    /// <summary>What the score of a prefix that is in a word gains if the word ends here.</summary>
    private ref WordEnd End(int node)
    {
        ref PrefixNode prefix = ref trie.Nodes[node];
        if (prefix.EndIsKnown)
            return ref ends[node];
        if (ends.Length < trie.Capacity)
            Array.Resize(ref ends, trie.Capacity);
        prefix.EndIsKnown = true;
        ref WordEnd end = ref ends[node], before = ref ends[prefix.Context];
        ReadOnlySpan<char> text = Word(node, prefix.Context);
        int id = model!.WordId(text);
        double language = Ln10 * model.Score(before.State, id, out end.State);
        bool unknown = id == 0 && hotWords?.HasWord(text) != true;
        end.Language = before.Language + language;
        end.Unknown = before.Unknown + (unknown ? 1 : 0);
        end.LogFactor = Math.Max(LeastLogFactor, options.Alpha * language + options.Beta + (unknown ? options.UnknownPenalty + Spelling(text.Length) : 0) - prefix.Word.Charged);
        end.Factor = Math.Exp(end.LogFactor);
        end.UnknownFactor = 0;
        return ref end;
    }

    /// <summary>The word that a prefix ends with.</summary>
    private ReadOnlySpan<char> Word(int node, int context)
    {
        int at = word.Length;
        Span<PrefixNode> nodes = trie.Nodes;
        for (; node != context && nodes[node].Label != space; node = nodes[node].Parent)
        {
            string text = alphabet[nodes[node].Label];
            if (text.Length > at)
            {
                var larger = new char[2 * word.Length + text.Length];
                word.AsSpan(at).CopyTo(larger.AsSpan(larger.Length - (word.Length - at)));
                at += larger.Length - word.Length;
                word = larger;
            }

            at -= text.Length;
            text.CopyTo(word.AsSpan(at));
        }

        return word.AsSpan(at);
    }

    /// <summary>A text up to the end of a word.</summary>
    private struct WordEnd
    {
        /// <summary>The language model's state after it.</summary>
        public LanguageState State;

        /// <summary>ln P of the words so far.</summary>
        public double Language;

        /// <summary>What the word adds to the score, and e^ that.</summary>
        public double LogFactor, Factor;

        /// <summary>What an unknown word after it costs, its letters apart, and e^ that; 0 where nobody has asked yet.</summary>
        public double UnknownCost, UnknownFactor;

        /// <summary>The words so far that the model does not know and that are no hot words.</summary>
        public int Unknown;
    }
}

/// <summary>The parts of a text's score beyond CTC's.</summary>
/// <param name="Language">The language model's ln P.</param>
/// <param name="Unknown">Words that it does not know, hot words apart.</param>
/// <param name="HotWords">Boosts.</param>
/// <param name="Weight">All of them, weighted, with the words' bonus.</param>
/// <param name="End">What the text's end adds to the boosts.</param>
internal readonly record struct TextScore(double Language, int Unknown, double HotWords, double Weight, double End);
