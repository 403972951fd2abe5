using Ds2.Kernels.Ops;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Training;

/// <summary>What became of a batch.</summary>
internal enum StepOutcome
{
    /// <summary>The parameters have moved.</summary>
    Learnt,

    /// <summary>It is too short to give an output frame: there was nothing to do.</summary>
    TooShort,

    /// <summary>Its loss or gradient is not finite; it has changed nothing.</summary>
    NotFinite,

    /// <summary>Its loss or gradient is a spike; it has changed nothing.</summary>
    Spike,
}

/// <summary>A training step: features to the device, forward, loss, backward, update.</summary>
internal sealed class BatchStep : IDisposable
{
    private readonly TrainingOptions options;
    private readonly DeepSpeech2 model;
    private readonly CtcCriterion criterion;
    private readonly FeatureBuffers features;
    private (Batch Batch, int Step, double LearningRate)? queued;

    public BatchStep(TrainingOptions options, DeepSpeech2 model, int blank)
    {
        this.options = options;
        this.model = model;
        Blank = blank;
        model.Freeze(options.FrozenLayers);
        Pass = model.NewPass(options.Dropout);
        Optimizer = Optimizer.Create(options, model.Parameters, model.Workspace);
        criterion = new CtcCriterion(model.Engine, blank, model.Workspace);
        features = new FeatureBuffers(model.Engine);
    }

    /// <summary>The activations.</summary>
    public ModelPass Pass { get; }

    public Optimizer Optimizer { get; }

    private int Blank { get; }

    /// <summary>Whether the host decides on a batch before the parameters move, and waits for its loss and gradient norm.</summary>
    private bool Decides => options.SkipLossZ > 0 || options.SkipNormZ > 0;

    /// <summary>The bytes that a batch of this size takes, parameters apart.</summary>
    /// <exception cref="OverflowException">The batch has more than 2^31 elements.</exception>
    public long BytesFor(BatchSize size) => model.OutputFrames(size.Frames) == 0 ? 0
        : Pass.BytesFor(size.Utterances, size.Frames, training: true) + CtcCriterion.BytesFor(CtcFor(size)) + 2L * sizeof(float) * ElementsOf(size);

    /// <summary>Takes the memory for batches of up to this size, so that none is taken later.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    /// <exception cref="OverflowException">The batch has more than 2^31 elements.</exception>
    public void Reserve(BatchSize size)
    {
        if (model.OutputFrames(size.Frames) == 0)
            return;
        features.Reserve(ElementsOf(size));
        Pass.Reserve(size.Utterances, size.Frames, training: true);
        criterion.Reserve(CtcFor(size));
    }

    /// <summary>Starts the copy of a batch's features while the batch before is worked on; the one before that must be done.</summary>
    public void Prefetch(Batch batch) => features.Prefetch(batch);

    /// <summary>Queues the step of the batch that was prefetched last.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="step">The number of this step in the run, from 1.</param>
    /// <param name="learningRate">The step size.</param>
    public void Queue(Batch batch, int step, double learningRate)
    {
        queued = null;
        Tensor x = features.Take();
        if (model.OutputFrames(batch.MaxFrames) == 0)
            return;
        model.Parameters.BeginStep();
        try
        {
            Sequence logits = Pass.Forward(x, batch.Frames, training: true, DropoutKey(step));
            criterion.Forward(logits, [.. batch.Utterances.Select(utterance => utterance.Labels)]);
            Pass.Backward(criterion.Backward());
            Optimizer.Measure();
        }
        catch
        {
            // What can be saved is the state before the batch, and its forward pass has moved the running statistics.
            Optimizer.Discard();
            throw;
        }

        if (!Decides)
            Optimizer.Apply(step, learningRate);
        queued = (batch, step, learningRate);
    }

    /// <summary>Waits for the queued step, the only time in a step that the host does, and says what came out.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="state">The run's; its windows of losses and norms move on.</param>
    public (StepOutcome Outcome, CtcLosses Losses, double GradientNorm) Finish(Batch batch, TrainingState state)
    {
        if (queued is not { } step)
            return (StepOutcome.TooShort, new CtcLosses([], 0, batch.Utterances.Count), 0);
        model.Engine.Synchronize();
        CtcLosses losses = criterion.Losses();
        double norm = Optimizer.LastGradientNorm;

        // Where the norm is not finite, the device has left parameters, optimiser state and statistics as they were. A loss that is NaN makes it so.
        StepOutcome outcome = !double.IsFinite(norm) || !double.IsFinite(losses.Mean) ? StepOutcome.NotFinite : StepOutcome.Learnt;
        if (Decides)
        {
            if (outcome == StepOutcome.Learnt && IsSpike(batch, losses, norm, state))
                outcome = StepOutcome.Spike;
            if (outcome == StepOutcome.Spike)
                Optimizer.Discard();
            else
                Optimizer.Apply(step.Step, step.LearningRate);
        }

        return (outcome, losses, norm);
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        criterion.Dispose();
        features.Dispose();
        Pass.Dispose();
    }

    /// <summary>Both windows move on, whatever the first one says.</summary>
    private bool IsSpike(Batch batch, CtcLosses losses, double norm, TrainingState state)
    {
        // A label's: an utterance's grows with its length, and batches may come sorted by that.
        double labels = Math.Max(batch.Utterances.Average(utterance => (double)utterance.Labels.Length), 1);
        bool loss = SpikeDetector.IsSpike(state.LossWindow, losses.Mean / labels, options.SkipLossZ);
        return SpikeDetector.IsSpike(state.NormWindow, norm, options.SkipNormZ) || loss;
    }

    /// <summary>A function of seed and step, so that a resumed run drops the same.</summary>
    private uint DropoutKey(int step) => (uint)SplitMix64.For(options.Seed, step, 0).Next();

    private CtcShape CtcFor(BatchSize size) => new(model.OutputFrames(size.Frames), size.Utterances, model.Architecture.Classes, size.Labels, Blank);

    private int ElementsOf(BatchSize size) => checked(size.Utterances * model.Architecture.InputRows * size.Frames);
}
