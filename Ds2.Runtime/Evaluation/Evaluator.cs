using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Evaluation;

/// <summary>An utterance with what was said and what was heard.</summary>
/// <param name="Id">The utterance.</param>
/// <param name="Reference">What was said.</param>
/// <param name="Hypothesis">What the model heard.</param>
/// <param name="AudioPath">The recording.</param>
public readonly record struct Transcript(string Id, string Reference, string Hypothesis, string AudioPath);

/// <summary>An evaluation's error rates, losses and transcripts.</summary>
/// <param name="Rates">Word and character error rates.</param>
/// <param name="Transcripts">All utterances, shortest first; the texts of the decoder that decides.</param>
/// <param name="Loss">CTC's losses of what was said.</param>
/// <param name="Alphabet">What the transcripts are written with.</param>
/// <param name="OtherRates">Those of the second decoder's texts; null where there is none.</param>
public sealed record EvaluationResult(ErrorRates Rates, IReadOnlyList<Transcript> Transcripts, LossTotal Loss, Alphabet Alphabet, ErrorRates? OtherRates = null)
{
    private readonly Lazy<ErrorDetails> details = new(() => ErrorDetails.Of(Transcripts, Alphabet));

    /// <summary>Where the errors are; found out when first asked for.</summary>
    public ErrorDetails Details => details.Value;
}

/// <summary>Has a recognizer write a corpus down, counts the errors, and adds up the losses: each batch goes through the model once, on one of the ranks.</summary>
/// <param name="recognizer">The recognizer; it stays the caller's.</param>
/// <param name="other">Reads texts off the same logits, whose errors are counted beside the recognizer's; null for none.</param>
/// <param name="otherDecides">Whether the transcripts are that decoder's texts.</param>
/// <param name="ranks">The ranks that share the batches, each by its loader's <see cref="BatchLoader.Lane"/>; null for this one alone.</param>
public sealed class Evaluator(Recognizer recognizer, IDecoder? other = null, bool otherDecides = false, ICommunicator? ranks = null)
{
    /// <summary>Evaluates all utterances of a loader; every rank gets the same result, counted in the same order.</summary>
    /// <param name="loader">The corpus in batches.</param>
    /// <param name="progress">Told the number of utterances done after each batch; of several ranks, as if all were as far as this one.</param>
    /// <param name="cancellation">Ends it between two batches, on all ranks.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    /// <exception cref="InputException">There is not enough memory for the largest batch, found before the first.</exception>
    public EvaluationResult Run(BatchLoader loader, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(loader);
        foreach (BatchSize size in loader.Largest)
            recognizer.Take(size);
        var heard = new Dictionary<int, HeardBatch>();
        int done = 0, share = ranks?.Ranks ?? 1;
        foreach (Batch batch in loader.Epoch(0))
        {
            if (cancellation.IsCancellationRequested)
                break;
            if (batch.Index < 0)
                continue;
            heard[batch.Index] = Hear(batch);
            done += batch.Utterances.Count;
            progress?.Invoke(Math.Min(share * done, loader.UtteranceCount));
        }

        if (share > 1)
            heard = BringTogether(heard, cancellation.IsCancellationRequested);
        else
            cancellation.ThrowIfCancellationRequested();
        return Count(loader, heard);
    }

    private HeardBatch Hear(Batch batch)
    {
        BatchLogits logits = recognizer.Hear(batch.Features.Span, batch.Frames, batch.MaxFrames);
        batch.Release();
        return new HeardBatch(recognizer.Read(logits), other is null ? null : logits.Decode(other), CtcLoss.Of(logits, [.. batch.Utterances.Select(utterance => utterance.Labels)]));
    }

    /// <summary>All ranks' batches, on every rank.</summary>
    private Dictionary<int, HeardBatch> BringTogether(Dictionary<int, HeardBatch> own, bool cancelled)
    {
        byte[][] messages = ranks!.AllGather(cancelled ? [] : HeardBatch.Write(own));
        if (messages.Any(message => message.Length == 0))
            throw new OperationCanceledException("a rank was asked to stop");
        return messages.SelectMany(HeardBatch.Read).ToDictionary();
    }

    private EvaluationResult Count(BatchLoader loader, Dictionary<int, HeardBatch> heard)
    {
        Alphabet alphabet = loader.Corpus.Alphabet;
        var rates = new ErrorRates(alphabet);
        ErrorRates? otherRates = other is null ? null : new ErrorRates(alphabet);
        var loss = new LossTotal();
        var transcripts = new List<Transcript>();
        int index = 0;
        foreach (Utterance[] batch in loader.Batches(epoch: 0))
        {
            (string[] texts, string[]? others, double[] losses) = heard[index++];
            for (int i = 0; i < texts.Length; i++)
            {
                Utterance utterance = batch[i];
                rates.Add(utterance.Text, texts[i]);
                if (others is not null)
                    otherRates?.Add(utterance.Text, others[i]);
                loss.Add(losses[i], utterance.LabelCount);
                transcripts.Add(new Transcript(utterance.Id, utterance.Text, (otherDecides ? others! : texts)[i], utterance.AudioPath));
            }
        }

        return new EvaluationResult(rates, transcripts, loss, alphabet, otherRates);
    }
}
