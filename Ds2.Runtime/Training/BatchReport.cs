using Ds2.Runtime.Decoding;

namespace Ds2.Runtime.Training;

/// <summary>What a training step came to.</summary>
/// <param name="Epoch">The epoch, from 0.</param>
/// <param name="Batch">The step's number in the epoch, from 1; a step is a batch, unless it has several (<see cref="Data.Batching.DataOptions.Accumulate"/>), and all that follows is of the step.</param>
/// <param name="BatchesPerEpoch">Steps of an epoch.</param>
/// <param name="Loss">The sum of the feasible utterances' losses divided by the number of utterances, nats.</param>
/// <param name="GradientNorm">Before clipping.</param>
/// <param name="LearningRate">The step size.</param>
/// <param name="Infeasible">Utterances whose text did not fit.</param>
/// <param name="AudioSeconds">Audio of the step.</param>
/// <param name="Seconds">Time for the step, loading included.</param>
/// <param name="LoadSeconds">The part of it that the host spent on taking batches from the loader; a GPU works meanwhile.</param>
/// <param name="LeftOut">The step's utterances where it was left out, because its loss or gradient was not finite, or a spike; else null.</param>
/// <param name="LossPerLabel">The feasible utterances' losses over their labels, nats: in batches of any length the same measure. Null where there is none.</param>
public readonly record struct BatchReport(
    int Epoch, int Batch, int BatchesPerEpoch, double Loss, double GradientNorm, double LearningRate, int Infeasible,
    double AudioSeconds, double Seconds, double LoadSeconds, IReadOnlyList<string>? LeftOut = null, double? LossPerLabel = null);

/// <summary>A beam search that goes along with a run's validation.</summary>
/// <param name="Decoder">The search.</param>
/// <param name="Decides">Whether its word error rate decides about the target and the best epoch, instead of the greedy one.</param>
public sealed record BeamValidation(IDecoder Decoder, bool Decides = false);

/// <summary>Why a run ended.</summary>
public enum RunEnd
{
    /// <summary>The last epoch is done.</summary>
    LastEpoch,

    /// <summary>The word error rate reached the target.</summary>
    Target,

    /// <summary>As many epochs as the run's patience had no better word error rate.</summary>
    Patience,

    /// <summary>It was asked to stop before its end.</summary>
    Interruption,
}

/// <summary>How a run ended.</summary>
/// <param name="End">Why.</param>
/// <param name="Best">The epoch with the lowest word error rate of the kind that decides; null before the first evaluation.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Checkpoint">The last checkpoint.</param>
public sealed record TrainingResult(RunEnd End, EpochReport? Best, TrainingState State, string Checkpoint)
{
    /// <summary>Whether the word error rate reached the target.</summary>
    public bool TargetReached => End == RunEnd.Target;

    /// <summary>Whether it was asked to stop before its end.</summary>
    public bool Interrupted => End == RunEnd.Interruption;
}
