using Ds2.Kernels.Ops;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Training;

/// <summary>What became of a step.</summary>
internal enum StepOutcome
{
    /// <summary>The parameters have moved.</summary>
    Learnt,

    /// <summary>Its batches are too short to give an output frame: there was nothing to do.</summary>
    TooShort,

    /// <summary>Its loss or gradient is not finite; it has changed nothing.</summary>
    NotFinite,

    /// <summary>Its loss or gradient is a spike; it has changed nothing.</summary>
    Spike,
}

/// <summary>A training step: for each of its batches features to the device, forward, loss, backward; then the update, by the mean gradient of all their utterances.</summary>
/// <remarks>A step of several batches (<see cref="DataOptions.Accumulate"/>) has them one after the other, in the same activations, on each rank its own. Running statistics are those that they leave one after the other.</remarks>
internal sealed class BatchStep : IDisposable
{
    private readonly TrainingOptions options;
    private readonly DeepSpeech2 model;
    private readonly CtcCriterion criterion;
    private readonly FeatureBuffers features;
    private readonly SharedStep? shared;
    private (Batch Batch, bool HasFrames) queued;
    private (int Step, double LearningRate) update;
    private float[] collected = [];

    /// <summary>Sets up steps of a model.</summary>
    /// <param name="options">How it is trained.</param>
    /// <param name="model">The model; the caller's.</param>
    /// <param name="blank">The index of the blank label.</param>
    /// <param name="accumulate">Batches of a whole step.</param>
    /// <param name="ranks">The ranks that share its batches; null for this one alone.</param>
    public BatchStep(TrainingOptions options, DeepSpeech2 model, int blank, int accumulate = 1, QueuedCommunicator? ranks = null)
    {
        this.options = options;
        this.model = model;
        Blank = blank;
        model.Freeze(options.FrozenLayers);
        Pass = model.NewPass(options.Dropout);
        if (accumulate > 1 || ranks is { Ranks: > 1 })
            shared = new SharedStep(options, model, ranks ?? new QueuedCommunicator(new LoneCommunicator()), accumulate);
        Optimizer = Optimizer.Create(options, model.Parameters, model.Workspace, shared?.Share);
        criterion = new CtcCriterion(model.Engine, blank, model.Workspace);
        features = new FeatureBuffers(model.Engine);
    }

    /// <summary>The activations.</summary>
    public ModelPass Pass { get; }

    public Optimizer Optimizer { get; }

    /// <summary>Tensors as large as all parameters that a step takes beside these: gradients and what is added up of them, and the optimiser's state.</summary>
    public int ParameterCopies => 1 + (shared?.Buffers ?? 0) + Optimizer.States.Count;

    /// <summary>What the ranks have agreed on at the end of the last step.</summary>
    public StepRequests Agreed { get; private set; }

    private int Blank { get; }

    /// <summary>Whether the host decides on a step before the parameters move, and waits for its loss and gradient norm.</summary>
    private bool Decides => options.SkipLossZ > 0 || options.SkipNormZ > 0;

    /// <summary>The bytes that a batch of this size takes, parameters apart.</summary>
    /// <exception cref="OverflowException">The batch has more than 2^31 elements.</exception>
    public long BytesFor(BatchSize size) => model.OutputFrames(size.Frames) == 0 ? 0
        : Pass.BytesFor(size.Utterances, size.Frames, training: true) + CtcCriterion.BytesFor(CtcFor(size)) + 2L * sizeof(float) * ElementsOf(size);

    /// <summary>Takes the memory for batches of up to this size and for the sums of their gradients, so that none is taken later.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    /// <exception cref="OverflowException">The batch has more than 2^31 elements.</exception>
    public void Reserve(BatchSize size)
    {
        shared?.Reserve();
        if (model.OutputFrames(size.Frames) == 0)
            return;
        features.Reserve(ElementsOf(size));
        Pass.Reserve(size.Utterances, size.Frames, training: true);
        criterion.Reserve(CtcFor(size));
    }

    /// <summary>Starts the copy of a batch's features while the batch before is worked on; the one before that must be done.</summary>
    public void Prefetch(Batch batch)
    {
        if (batch.Utterances.Count > 0)
            features.Prefetch(batch);
    }

    /// <summary>Queues the batch that was prefetched last, and where the step has no other the update. The batch before must be done.</summary>
    /// <remarks>Where it throws, the step of one rank is taken back; of several, gradients may have left.</remarks>
    /// <param name="batch">The batch.</param>
    /// <param name="step">The number of its step in the run, from 1.</param>
    /// <param name="learningRate">The step size.</param>
    public void Queue(Batch batch, int step, double learningRate)
    {
        queued = (batch, model.OutputFrames(batch.MaxFrames) > 0);
        update = (step, learningRate);
        Tensor? x = batch.Utterances.Count > 0 ? features.Take() : null;
        if (shared is not null)
        {
            QueuePart(batch, x);
            return;
        }

        if (!queued.HasFrames)
            return;
        model.Parameters.BeginStep();
        try
        {
            Differentiate(batch, x!);
            Optimizer.Measure();
        }
        catch
        {
            // What can be saved is the state before the step, and its forward pass has moved the running statistics.
            Optimizer.Discard();
            throw;
        }

        if (!Decides)
            Optimizer.Apply(step, learningRate);
    }

    /// <summary>Waits for the batch queued last, the only time in a batch that the host does, and takes note of its losses. A step of several goes on with the next.</summary>
    public void EndBatch() => shared!.Add(LossesOf(queued.Batch), queued.HasFrames ? collected : null);

    /// <summary>In place of the step's further batches: nothing of the step stays. Parameters have not moved yet, nor have the running statistics.</summary>
    public void Abandon() => shared!.Begin();

    /// <summary>Ends the step's last batch, and says what came out of the step.</summary>
    /// <param name="state">The run's; its windows of losses and norms move on.</param>
    /// <param name="requests">What this rank wants done after the step; what all do is then in <see cref="Agreed"/>.</param>
    /// <exception cref="DistributedException">Another rank is gone.</exception>
    public (StepOutcome Outcome, StepLosses Losses, double GradientNorm) Finish(TrainingState state, StepRequests requests = default)
    {
        Agreed = requests;
        if (shared is not null)
            return FinishShared(shared, state);
        var losses = new StepLosses([LossesOf(queued.Batch)]);
        if (!queued.HasFrames)
            return (StepOutcome.TooShort, losses, 0);
        double norm = Optimizer.LastGradientNorm;
        StepOutcome outcome = OutcomeOf(losses, norm, state);
        if (Decides)
        {
            if (outcome == StepOutcome.Spike)
                Optimizer.Discard();
            else
                Optimizer.Apply(update.Step, update.LearningRate);
        }

        return (outcome, losses, norm);
    }

    /// <summary>An optimiser's state for all parameters, on rank 0; on the others nothing. Every rank calls it, in a job of several.</summary>
    public float[] Collect(Tensor state) => shared!.Collect(state);

    public void Dispose()
    {
        shared?.Dispose();
        Optimizer.Dispose();
        criterion.Dispose();
        features.Dispose();
        Pass.Dispose();
    }

    /// <summary>What the batch adds to the mean gradient of its step.</summary>
    private void Differentiate(Batch batch, Tensor x, Action<ILayer>? endLayer = null)
    {
        Sequence logits = Pass.Forward(x, batch.Frames, training: true, DropoutKey(batch.Part));
        criterion.Forward(logits, [.. batch.Utterances.Select(utterance => utterance.Labels)]);
        Pass.Backward(criterion.Backward(batch.Part.Utterances), endLayer);
    }

    private void QueuePart(Batch batch, Tensor? x)
    {
        if (batch.Part.IsFirst)
            shared!.Begin();
        if (batch.Part.IsLast)
            shared!.BeginLast(batch.Part);
        model.Parameters.BeginStep();
        if (queued.HasFrames)
        {
            Differentiate(batch, x!, batch.Part.IsLast ? shared!.EndLayer : null);
            Tensor statistics = model.Parameters.Collected;
            collected = new float[statistics.Length];
            statistics.CopyToLater(collected);
        }

        if (batch.Part.IsLast)
            shared!.EndLast();
        else
            shared!.Add(batch.Part);
    }

    /// <summary>All ranks come to the same decision, from the same figures.</summary>
    private (StepOutcome Outcome, StepLosses Losses, double GradientNorm) FinishShared(SharedStep shared, TrainingState state)
    {
        EndBatch();
        StepSum sum = shared.BringTogether(Optimizer, Agreed);
        Agreed = sum.Agreed;
        var losses = new StepLosses(sum.Losses);
        if (!sum.Learns)
            return (StepOutcome.TooShort, losses, 0);
        double norm = Optimizer.ClipBy(sum.Squares);
        StepOutcome outcome = OutcomeOf(losses, norm, state);
        if (outcome == StepOutcome.Learnt)
        {
            Optimizer.Apply(update.Step, update.LearningRate);
            shared.GiveToAll(sum);
        }

        return (outcome, losses, norm);
    }

    /// <summary>The losses of a batch, once the engine is done with it.</summary>
    private BatchLosses LossesOf(Batch batch)
    {
        if (queued.HasFrames)
            model.Engine.Synchronize();
        return BatchLosses.Of(batch, queued.HasFrames ? criterion.Losses() : TooShort(batch.Utterances.Count));
    }

    /// <summary>What becomes of a step. Where the norm is not finite, the device leaves parameters, optimiser state and statistics as they were. A loss that is NaN makes it so.</summary>
    private StepOutcome OutcomeOf(StepLosses losses, double norm, TrainingState state) =>
        !double.IsFinite(norm) || !double.IsFinite(losses.Mean) ? StepOutcome.NotFinite
        : Decides && IsSpike(losses, norm, state) ? StepOutcome.Spike
        : StepOutcome.Learnt;

    /// <summary>Both windows move on, whatever the first one says.</summary>
    private bool IsSpike(StepLosses losses, double norm, TrainingState state)
    {
        // A label's: an utterance's grows with its length, and batches may come sorted by that.
        double labels = Math.Max(losses.LabelsAnUtterance, 1);
        bool loss = SpikeDetector.IsSpike(state.LossWindow, losses.Mean / labels, options.SkipLossZ);
        return SpikeDetector.IsSpike(state.NormWindow, norm, options.SkipNormZ) || loss;
    }

    /// <summary>A function of seed, step and the batch's place in it, so that a resumed run drops the same, and no two batches of a step do.</summary>
    private uint DropoutKey(StepPart part) => (uint)SplitMix64.For(options.Seed, update.Step, part.Place).Next();

    /// <summary>Of utterances without an output frame no text fits, and nothing is learnt; they count as those whose text is too long.</summary>
    private static CtcLosses TooShort(int utterances) => new([.. Enumerable.Repeat(float.PositiveInfinity, utterances)], 0, utterances);

    private CtcShape CtcFor(BatchSize size) => new(model.OutputFrames(size.Frames), size.Utterances, model.Architecture.Classes, size.Labels, Blank);

    private int ElementsOf(BatchSize size) => checked(size.Utterances * model.Architecture.InputRows * size.Frames);
}
