using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Recognition;

namespace Ds2.Runtime.Evaluation;

/// <summary>An utterance with what was said and what was heard.</summary>
/// <param name="Id">The utterance.</param>
/// <param name="Reference">What was said.</param>
/// <param name="Hypothesis">What the model heard.</param>
/// <param name="AudioPath">The recording.</param>
public readonly record struct Transcript(string Id, string Reference, string Hypothesis, string AudioPath);

/// <summary>An evaluation's error rates, losses and transcripts.</summary>
/// <param name="Rates">Word and character error rates.</param>
/// <param name="Transcripts">All utterances, shortest first.</param>
/// <param name="Loss">CTC's losses of what was said.</param>
/// <param name="OtherRates">Those of the second decoder's texts; null where there is none.</param>
public sealed record EvaluationResult(ErrorRates Rates, IReadOnlyList<Transcript> Transcripts, LossTotal Loss, ErrorRates? OtherRates = null)
{
    private readonly Lazy<ErrorDetails> details = new(() => ErrorDetails.Of(Transcripts));

    /// <summary>Where the errors are; found out when first asked for.</summary>
    public ErrorDetails Details => details.Value;
}

/// <summary>Has a recognizer write a corpus down, counts the errors, and adds up the losses: each batch goes through the model once.</summary>
/// <param name="recognizer">The recognizer; it stays the caller's.</param>
/// <param name="other">Reads texts off the same logits, whose errors are counted beside the recognizer's; null for none.</param>
public sealed class Evaluator(Recognizer recognizer, IDecoder? other = null)
{
    /// <summary>Evaluates all utterances of a loader.</summary>
    /// <param name="loader">The corpus in batches.</param>
    /// <param name="progress">Told the number of utterances done after each batch.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public EvaluationResult Run(BatchLoader loader, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(loader);
        var rates = new ErrorRates();
        ErrorRates? otherRates = other is null ? null : new ErrorRates();
        var loss = new LossTotal();
        var transcripts = new List<Transcript>();
        foreach (Batch batch in loader.Epoch(0))
        {
            cancellation.ThrowIfCancellationRequested();
            BatchLogits logits = recognizer.Hear(batch.Features.Span, batch.Frames, batch.MaxFrames);
            batch.Release();
            string[] texts = recognizer.Read(logits);
            string[]? others = other is null ? null : logits.Decode(other);
            int[][] labels = [.. batch.Utterances.Select(utterance => utterance.Labels)];
            double[] losses = CtcLoss.Of(logits, labels);
            for (int i = 0; i < texts.Length; i++)
            {
                Utterance utterance = batch.Utterances[i];
                rates.Add(utterance.Text, texts[i]);
                if (others is not null)
                    otherRates?.Add(utterance.Text, others[i]);
                loss.Add(losses[i], labels[i].Length);
                transcripts.Add(new Transcript(utterance.Id, utterance.Text, texts[i], utterance.AudioPath));
            }

            progress?.Invoke(transcripts.Count);
        }

        return new EvaluationResult(rates, transcripts, loss, otherRates);
    }
}
