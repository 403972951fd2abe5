using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;

namespace Ds2.Runtime.Training;

/// <summary>Takes a run's memory before its first step, rather than to find in the middle of an epoch, or after it, that there is not enough.</summary>
/// <param name="options">Say what to change where there is not enough.</param>
/// <param name="model">The model.</param>
internal sealed class MemoryReservation(DataOptions options, DeepSpeech2 model)
{
    /// <summary>For the largest batches of a training set.</summary>
    /// <exception cref="InputException">There is not enough memory.</exception>
    public void ForTraining(BatchLoader loader, BatchStep step)
    {
        foreach (BatchSize size in loader.Largest)
            Take(size, "", 1 + step.ParameterCopies, step.BytesFor, step.Reserve);
    }

    /// <summary>For the largest batches of a set that is transcribed.</summary>
    /// <exception cref="InputException">There is not enough memory.</exception>
    public void ForEvaluation(BatchLoader loader, Recognizer recognizer)
    {
        foreach (BatchSize size in loader.Largest)
            Take(size, "validation ", 2, recognizer.BytesFor, recognizer.Reserve);
    }

    private void Take(BatchSize size, string set, int copies, Func<BatchSize, long> bytesFor, Action<BatchSize> reserve) =>
        BatchReservation.Take(model, size, set, copies, bytesFor, reserve, Advice(size, set));

    private string Advice(BatchSize size, string set) => size.Utterances > 1
        ? (options.BatchFrames > 0 ? $"try --set batchFrames={options.BatchFrames / 2}" : $"try --set batch={size.Utterances / 2}")
            + (set.Length > 0 ? "" : $"; with --set accumulate={2 * options.Accumulate} a step has about as many utterances as before")
        : set.Length > 0 ? "cut the longest recordings, or leave them out of the manifest" : "leave out the longest recordings (maxSeconds)";
}
