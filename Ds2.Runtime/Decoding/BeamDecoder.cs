using System.Collections.Concurrent;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding;

/// <summary>Reads the best texts off a model's output by a <see cref="BeamSearch"/> of each utterance.</summary>
/// <remarks>An object serves one caller at a time; language model and hot words may be shared. What is read does not depend on the number of threads.</remarks>
public sealed class BeamDecoder : IDecoder
{
    private readonly Alphabet alphabet;
    private readonly BeamOptions? options;
    private readonly LanguageModel? model;
    private readonly Func<BeamSearch> create;
    private readonly ParallelOptions parallel;

    /// <summary>Searches that no thread has at the time: they keep their memory.</summary>
    private readonly ConcurrentBag<BeamSearch> idle = [];

    /// <summary>A decoder.</summary>
    /// <param name="alphabet">The labels.</param>
    /// <param name="options">How wide the search looks; null for the defaults.</param>
    /// <param name="model">An n-gram model of words as the alphabet writes them; null for none. It stays the caller's.</param>
    /// <param name="hotWords">Words and phrases to favour; null for none.</param>
    /// <param name="threads">Threads that search, the caller's included, an utterance each.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the hot words are of another alphabet.</exception>
    public BeamDecoder(Alphabet alphabet, BeamOptions? options = null, LanguageModel? model = null, HotWords? hotWords = null, int threads = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        (this.alphabet, this.options, this.model) = (alphabet, options, model);
        create = () => new BeamSearch(alphabet, options, model, hotWords);
        parallel = new ParallelOptions { MaxDegreeOfParallelism = threads };
        // Options that are out of range are refused here, not at the first batch.
        idle.Add(create());
    }

    /// <summary>One that goes by what was heard alone: without the language model and without hot words, as wide and on as many threads. Null where this one has no language model.</summary>
    public BeamDecoder? WithoutModel() => model is null ? null : new BeamDecoder(alphabet, new BeamOptions { Width = (options ?? new BeamOptions()).Width }, threads: parallel.MaxDegreeOfParallelism);

    /// <inheritdoc/>
    /// <remarks>The logits may be scores before or after the softmax.</remarks>
    public string[] Decode(ReadOnlySpan<float> logits, int t, int n, ReadOnlySpan<int> frames) => [.. Best(logits, t, n, frames, 1).Select(texts => texts[0].Text)];

    /// <summary>The best texts of each utterance of a batch, the best first.</summary>
    /// <param name="logits">[T, N, C] with C the alphabet's size.</param>
    /// <param name="t">Frames of the batch.</param>
    /// <param name="n">Utterances.</param>
    /// <param name="frames">[N], the frames of each utterance, 0 .. t; those after them are not looked at.</param>
    /// <param name="count">How many texts at most: there are no more than the beam is wide.</param>
    /// <returns>[N].</returns>
    /// <exception cref="ArgumentException">The logits' length is not T * N * C, or a frame count does not fit.</exception>
    public IReadOnlyList<Hypothesis>[] Best(ReadOnlySpan<float> logits, int t, int n, ReadOnlySpan<int> frames, int count)
    {
        int labels = alphabet.Size;
        LogitBatch.Require(logits, t, n, labels, frames);
        var best = new IReadOnlyList<Hypothesis>[n];
        if (n == 1 || parallel.MaxDegreeOfParallelism == 1)
        {
            BeamSearch search = Rent();
            for (int i = 0; i < n; i++)
                best[i] = Best(search, logits, frames[i], n * labels, i * labels, count);
            idle.Add(search);
            return best;
        }

        // A span is one thread's.
        (float[] shared, int[] lengths) = (logits.ToArray(), frames.ToArray());
        Parallel.For(0, n, parallel, Rent, (i, _, search) =>
        {
            best[i] = Best(search, shared, lengths[i], n * labels, i * labels, count);
            return search;
        }, idle.Add);
        return best;
    }

    /// <summary>The best texts of one utterance, the best first.</summary>
    /// <param name="logits">[T, C] with C the alphabet's size.</param>
    /// <param name="frames">T.</param>
    /// <param name="count">How many texts at most: there are no more than the beam is wide.</param>
    /// <exception cref="ArgumentException">The logits' length is not T * C.</exception>
    public IReadOnlyList<Hypothesis> Best(ReadOnlySpan<float> logits, int frames, int count) => Best(logits, frames, 1, [frames], count)[0];

    /// <summary>Takes an utterance's frames, once all of them have said how much the model doubts.</summary>
    private IReadOnlyList<Hypothesis> Best(BeamSearch search, ReadOnlySpan<float> logits, int frames, int stride, int offset, int count)
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
        return search.Finish(count);
    }

    private BeamSearch Rent() => idle.TryTake(out BeamSearch? search) ? search : create();
}
