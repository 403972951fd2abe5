using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding;

/// <summary>Reads the best texts off a model's output by a <see cref="BeamSearch"/>.</summary>
/// <remarks>An object serves one thread at a time; language model and hot words may be shared.</remarks>
public sealed class BeamDecoder : IDecoder
{
    private readonly Alphabet alphabet;
    private readonly BeamSearch search;

    /// <summary>A decoder.</summary>
    /// <param name="alphabet">The labels.</param>
    /// <param name="options">How wide the search looks; null for the defaults.</param>
    /// <param name="model">An n-gram model of words as the alphabet writes them; null for none. It stays the caller's.</param>
    /// <param name="hotWords">Words and phrases to favour; null for none.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the hot words are of another alphabet.</exception>
    public BeamDecoder(Alphabet alphabet, BeamOptions? options = null, LanguageModel? model = null, HotWords? hotWords = null)
    {
        this.alphabet = alphabet;
        search = new BeamSearch(alphabet, options, model, hotWords);
    }

    /// <inheritdoc/>
    /// <remarks>The logits may be scores before or after the softmax.</remarks>
    public string[] Decode(ReadOnlySpan<float> logits, int t, int n, ReadOnlySpan<int> frames)
    {
        int labels = alphabet.Size;
        LogitBatch.Require(logits, t, n, labels, frames);
        var texts = new string[n];
        for (int i = 0; i < n; i++)
        {
            Search(logits, frames[i], n * labels, i * labels);
            texts[i] = search.Finish()[0].Text;
        }

        return texts;
    }

    /// <summary>The best texts of one utterance, the best first.</summary>
    /// <param name="logits">[T, C] with C the alphabet's size.</param>
    /// <param name="frames">T.</param>
    /// <param name="count">How many texts at most: there are no more than the beam is wide.</param>
    /// <exception cref="ArgumentException">The logits' length is not T * C.</exception>
    public IReadOnlyList<Hypothesis> Best(ReadOnlySpan<float> logits, int frames, int count)
    {
        if (logits.Length != (long)frames * alphabet.Size)
            throw new ArgumentException($"{logits.Length} logits are not [{frames}, {alphabet.Size}]", nameof(logits));
        Search(logits, frames, alphabet.Size, 0);
        return search.Finish(count);
    }

    /// <summary>Takes an utterance's frames, once all of them have said how much the model doubts.</summary>
    private void Search(ReadOnlySpan<float> logits, int frames, int stride, int offset)
    {
        if (search.GoesByDoubt)
        {
            var doubt = default(Doubt);
            for (int frame = 0; frame < frames; frame++)
                doubt.Add(logits.Slice(frame * stride + offset, alphabet.Size));
            search.Temperature = doubt.Temperature;
        }

        search.Reset();
        for (int frame = 0; frame < frames; frame++)
            search.Advance(logits.Slice(frame * stride + offset, alphabet.Size));
    }
}
