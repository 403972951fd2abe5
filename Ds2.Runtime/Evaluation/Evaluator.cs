using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Recognition;

namespace Ds2.Runtime.Evaluation;

/// <summary>An utterance with what was said and what was heard.</summary>
/// <param name="Id">The utterance.</param>
/// <param name="Reference">What was said.</param>
/// <param name="Hypothesis">What the model heard.</param>
public readonly record struct Transcript(string Id, string Reference, string Hypothesis);

/// <summary>An evaluation's error rates and transcripts.</summary>
/// <param name="Rates">Word and character error rates.</param>
/// <param name="Transcripts">All utterances, shortest first.</param>
/// <param name="OtherRates">Those of the second decoder's texts; null where there is none.</param>
public sealed record EvaluationResult(ErrorRates Rates, IReadOnlyList<Transcript> Transcripts, ErrorRates? OtherRates = null);

/// <summary>Has a recognizer write a corpus down and counts the errors.</summary>
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
        var transcripts = new List<Transcript>();
        foreach (Batch batch in loader.Epoch(0))
        {
            cancellation.ThrowIfCancellationRequested();
            string[] texts = recognizer.Transcribe(batch.Features.Span, batch.Frames, batch.MaxFrames, other, out string[]? others);
            batch.Release();
            for (int i = 0; i < texts.Length; i++)
            {
                Utterance utterance = batch.Utterances[i];
                rates.Add(utterance.Text, texts[i]);
                if (others is not null)
                    otherRates?.Add(utterance.Text, others[i]);
                transcripts.Add(new Transcript(utterance.Id, utterance.Text, texts[i]));
            }

            progress?.Invoke(transcripts.Count);
        }

        return new EvaluationResult(rates, transcripts, otherRates);
    }
}
