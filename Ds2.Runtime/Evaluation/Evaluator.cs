using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Evaluation;

/// <summary>An utterance with what was said and what was heard.</summary>
/// <param name="Id">The utterance.</param>
/// <param name="Reference">What was said.</param>
/// <param name="Hypothesis">What the model heard.</param>
public readonly record struct Transcript(string Id, string Reference, string Hypothesis);

/// <summary>An evaluation's error rates and transcripts.</summary>
/// <param name="Rates">Word and character error rates.</param>
/// <param name="Transcripts">All utterances, shortest first.</param>
public sealed record EvaluationResult(ErrorRates Rates, IReadOnlyList<Transcript> Transcripts);

/// <summary>Transcribes a corpus greedily and counts the errors.</summary>
/// <param name="model">The model; evaluation leaves its running statistics as they are.</param>
/// <param name="alphabet">Its labels.</param>
public sealed class Evaluator(DeepSpeech2 model, Alphabet alphabet) : IDisposable
{
    private readonly GrowingTensor features = new(model.Engine);
    private readonly GreedyDecoder decoder = new(alphabet);

    /// <summary>Evaluates all utterances of a loader.</summary>
    /// <param name="loader">The corpus in batches.</param>
    /// <param name="progress">Told the number of utterances done after each batch.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public EvaluationResult Run(BatchLoader loader, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(loader);
        var rates = new ErrorRates();
        var transcripts = new List<Transcript>();
        foreach (Batch batch in loader.Epoch(0))
        {
            cancellation.ThrowIfCancellationRequested();
            string[] texts = Transcribe(batch);
            for (int i = 0; i < texts.Length; i++)
            {
                Utterance utterance = batch.Utterances[i];
                rates.Add(utterance.Text, texts[i]);
                transcripts.Add(new Transcript(utterance.Id, utterance.Text, texts[i]));
            }

            progress?.Invoke(transcripts.Count);
        }

        return new EvaluationResult(rates, transcripts);
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => features.Dispose();

    private string[] Transcribe(Batch batch)
    {
        int n = batch.Utterances.Count;
        if (model.OutputFrames(batch.MaxFrames) == 0)
            return [.. Enumerable.Repeat("", n)];
        Tensor x = features.As(new Shape(n, 1, batch.Rows, batch.MaxFrames));
        x.CopyFrom(batch.Features.AsSpan(0, x.Length));
        Sequence logits = model.Forward(x, batch.Frames, training: false);
        return decoder.Decode(logits.Values.ToArray(), logits.Values.Shape[0], n, logits.Frames.Host);
    }
}
