using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>The best text of a <see cref="BeamSearch"/>: that of the passage's logits at its end, as <see cref="BeamDecoder"/> has it; until then its tail may change.</summary>
/// <remarks>
/// What all texts of the beam begin with is stable. Each passage is a text of its own, which the language model begins and ends. The passage's logits are kept, to give its words their times
/// at its end (a temperature by the model's doubt goes by the passages before, as this one's doubt is known only at its end): 5.8 KB a second for 29 labels and 50 frames a second. Many streams may share one language model and one list of hot words.
/// </remarks>
public sealed class BeamPassage : IPassageDecoder
{
    private readonly Alphabet alphabet;
    private readonly BeamSearch search;
    private float[] logits;
    private Doubt doubt;
    private int frames;
    private string? text;

    /// <summary>A decoder of one stream.</summary>
    /// <param name="alphabet">The labels.</param>
    /// <param name="options">How wide the search looks; null for the defaults.</param>
    /// <param name="model">An n-gram model of words as the alphabet writes them; null for none. It stays the caller's.</param>
    /// <param name="hotWords">Words and phrases to favour; null for none.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the hot words are of another alphabet.</exception>
    public BeamPassage(Alphabet alphabet, BeamOptions? options = null, LanguageModel? model = null, HotWords? hotWords = null)
    {
        this.alphabet = alphabet;
        search = new BeamSearch(alphabet, options, model, hotWords);
        logits = new float[256 * alphabet.Size];
    }

    /// <inheritdoc/>
    public string Text => text ??= search.Best()[0].Text;

    /// <inheritdoc/>
    public int Stable => search.Stable;

    /// <summary>The best text of the passage that ended last, and how its score came about; null before.</summary>
    public Hypothesis? Last { get; private set; }

    /// <inheritdoc/>
    public void Advance(ReadOnlySpan<float> logits)
    {
        search.Advance(logits, 1);
        doubt.Add(logits);
        text = null;
        int at = frames++ * alphabet.Size;
        if (at == this.logits.Length)
            Array.Resize(ref this.logits, 2 * at);
        logits.CopyTo(this.logits.AsSpan(at));
    }

    /// <inheritdoc/>
    public string Finish(ICollection<WordFrames> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        Last = search.Finish()[0];
        foreach (WordFrames word in WordAligner.Frames(alphabet, new Logits(logits, frames, alphabet.Size), Last.Text))
            words.Add(word);
        if (search.GoesByDoubt)
            search.Temperature = doubt.Temperature;
        frames = 0;
        text = null;
        return Last.Text;
    }
}
