using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Training;

/// <summary>What a training step came to.</summary>
/// <param name="Epoch">The epoch, from 0.</param>
/// <param name="Batch">The batch's number in the epoch, from 1.</param>
/// <param name="BatchesPerEpoch">Batches of an epoch.</param>
/// <param name="Loss">The sum of the feasible utterances' losses divided by the batch's size, nats.</param>
/// <param name="GradientNorm">Before clipping.</param>
/// <param name="LearningRate">The step size.</param>
/// <param name="Infeasible">Utterances whose text did not fit.</param>
/// <param name="AudioSeconds">Audio of the batch.</param>
/// <param name="Seconds">Time for the step, loading included.</param>
/// <param name="LoadSeconds">The part of it that the host spent on taking the next batch from the loader; a GPU works meanwhile.</param>
/// <param name="LeftOut">The batch's utterances where it was left out, because its loss or gradient was not finite; else null.</param>
public readonly record struct BatchReport(
    int Epoch, int Batch, int BatchesPerEpoch, double Loss, double GradientNorm, double LearningRate, int Infeasible,
    double AudioSeconds, double Seconds, double LoadSeconds, IReadOnlyList<string>? LeftOut = null);

/// <summary>How a run ended.</summary>
/// <param name="TargetReached">Whether the word error rate reached the target.</param>
/// <param name="Interrupted">Whether it was asked to stop before its end.</param>
/// <param name="Best">The epoch with the lowest word error rate; null before the first evaluation.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Checkpoint">The last checkpoint.</param>
public sealed record TrainingResult(bool TargetReached, bool Interrupted, EpochReport? Best, TrainingState State, string Checkpoint);

/// <summary>Trains a model until its word error rate on the validation set reaches the target or the last epoch is done.</summary>
public sealed class Trainer : IDisposable
{
    private readonly RunOptions options;
    private readonly DeepSpeech2 model;
    private readonly Optimizer optimizer;
    private readonly CtcCriterion criterion;
    private readonly Evaluator evaluator;
    private readonly FeatureBuffers features;
    private readonly BatchLoader training;
    private readonly BatchLoader validation;
    private readonly CheckpointPolicy checkpoints;
    private readonly ITrainingObserver observer;
    private readonly int batchesPerEpoch;
    private readonly TrainingState state;
    private readonly bool resumed;
    private double loadSeconds;

    /// <summary>Whether model and position belong together and no checkpoint has just failed: not between a step's beginning and its end.</summary>
    private bool isWhole = true;

    /// <summary>A run at its start, or where a checkpoint left it.</summary>
    /// <param name="options">The run's options; at a resumed run they may differ from the checkpoint's in what does not shape the model.</param>
    /// <param name="model">The model; the caller owns it.</param>
    /// <param name="training">Training batches; the caller owns it.</param>
    /// <param name="validation">Validation batches; the caller owns it.</param>
    /// <param name="checkpoints">Where checkpoints go.</param>
    /// <param name="observer">Told what happens.</param>
    /// <param name="maxBatches">An epoch ends after so many batches; null for all.</param>
    /// <param name="resume">The checkpoint to go on from; null to start.</param>
    /// <exception cref="InputException">The checkpoint is of another model.</exception>
    public Trainer(
        RunOptions options, DeepSpeech2 model, BatchLoader training, BatchLoader validation, CheckpointPolicy checkpoints,
        ITrainingObserver observer, int? maxBatches = null, Checkpoint? resume = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(training);
        this.options = options;
        this.model = model;
        this.training = training;
        this.validation = validation;
        this.checkpoints = checkpoints;
        this.observer = observer;
        batchesPerEpoch = Math.Min(training.BatchesPerEpoch, maxBatches ?? int.MaxValue);
        optimizer = Optimizer.Create(options, model.Parameters, model.Workspace);
        criterion = new CtcCriterion(model.Engine, Alphabet.English.Blank, model.Workspace);
        evaluator = new Evaluator(model, Alphabet.English);
        features = new FeatureBuffers(model.Engine);
        state = resume?.State ?? new TrainingState();
        resumed = resume is not null;
        resume?.Restore(model, optimizer);
    }

    /// <summary>Batches of an epoch of this run.</summary>
    public int BatchesPerEpoch => batchesPerEpoch;

    /// <summary>Trains until the target, the last epoch, or the interruption; a checkpoint is written in each case.</summary>
    /// <param name="interruption">Asks the run to finish its batch, save, and return.</param>
    /// <exception cref="InputException">A recording cannot be read, or the device has too little memory.</exception>
    /// <exception cref="DivergenceException">A loss or gradient is not finite, and the options say stop; or nothing is finite any more.</exception>
    public TrainingResult Run(CancellationToken interruption = default)
    {
        Reserve();
        if (resumed)
            SaveResumed();
        bool targetReached = HasReachedTarget(state.History.LastOrDefault());
        while (!targetReached && state.Epoch < options.Epochs)
        {
            EpochReport? report;
            try
            {
                observer.OnEpochStart(state.Epoch, state.Batch);
                report = TrainEpoch(interruption) ? Evaluate(interruption) : null;
            }
            catch (Exception exception) when (isWhole && exception is not DivergenceException)
            {
                // A recording that cannot be read any more, metrics that cannot be written, no memory to evaluate: mended, the run goes on from here.
                SaveBefore(exception);
                throw;
            }

            if (report is null)
            {
                Save(checkpoints.Latest);
                return Result(targetReached: false, interrupted: true);
            }

            targetReached = HasReachedTarget(report);
        }

        return Result(targetReached, interrupted: false);
    }

    /// <summary>Gives the run's memory back; model and loaders stay.</summary>
    public void Dispose()
    {
        optimizer.Dispose();
        criterion.Dispose();
        evaluator.Dispose();
        features.Dispose();
    }

    /// <summary>Takes the memory for the corpus' largest batches at once, rather than to find in the middle of an epoch that there is not enough.</summary>
    private void Reserve()
    {
        foreach (BatchSize size in training.Largest)
            Reserve(size);
    }

    private void Reserve(BatchSize size)
    {
        (int batch, int frames, int labels) = size;
        int outputFrames = model.OutputFrames(frames);
        if (outputFrames == 0)
            return;
        try
        {
            var ctc = new CtcShape(outputFrames, batch, model.Options.Classes, labels, Alphabet.English.Blank);
            int elements = checked(batch * training.Rows * frames);
            long bytes = model.BytesFor(batch, frames) + CtcCriterion.BytesFor(ctc) + 2L * sizeof(float) * elements;
            try
            {
                features.Reserve(elements);
                model.Reserve(batch, frames);
                criterion.Reserve(ctc);
            }
            catch (OutOfMemoryException exception)
            {
                throw new InputException(
                    $"{model.Engine.Name}: {bytes:N0} bytes are needed for a batch of {batch} utterances of up to {frames} frames, beside "
                    + $"{(2L + optimizer.States.Count) * sizeof(float) * model.Parameters.Count:N0} for the parameters: {Advice(batch)}",
                    exception);
            }
        }
        catch (OverflowException exception)
        {
            throw new InputException($"a batch of {batch} utterances of up to {frames} frames has more than 2^31 elements: {Advice(batch)}", exception);
        }

        string Advice(int batch) => batch == 1 ? "leave out the longest recordings (maxSeconds)"
            : options.BatchFrames > 0 ? $"try --set batchFrames={options.BatchFrames / 2}" : $"try --set batch={batch / 2}";
    }

    /// <summary>The rest of the current epoch's batches; false if it was interrupted.</summary>
    private bool TrainEpoch(CancellationToken interruption)
    {
        if (state.Batch >= batchesPerEpoch)
            return true;
        long lastSave = Stopwatch.GetTimestamp();
        long start = Stopwatch.GetTimestamp();
        using IEnumerator<Batch> batches = training.Epoch(state.Epoch, state.Batch).GetEnumerator();
        Batch? batch = Next(batches);
        while (batch is not null)
        {
            // The next batch is read and copied while the device works on this one. What is wrong with it must not hide this one's outcome.
            double learningRate = LearningRate;
            bool runs = QueueStep(batch, learningRate);
            Batch? following = null;
            ExceptionDispatchInfo? fault = null;
            try
            {
                if (state.Batch + 1 < batchesPerEpoch && !interruption.IsCancellationRequested)
                    following = Next(batches);
            }
            catch (Exception exception)
            {
                fault = ExceptionDispatchInfo.Capture(exception);
            }

            observer.OnBatch(FinishStep(batch, runs, learningRate, start));
            start = Stopwatch.GetTimestamp();
            fault?.Throw();
            if (state.Batch >= batchesPerEpoch)
                break;
            if (interruption.IsCancellationRequested)
                return false;
            if (checkpoints.IsDue(Stopwatch.GetElapsedTime(lastSave), state.Batch))
            {
                Save(checkpoints.Latest);
                lastSave = Stopwatch.GetTimestamp();
            }

            batch = following;
        }

        return true;
    }

    /// <summary>The next batch, its features on their way to the device; null after the last.</summary>
    private Batch? Next(IEnumerator<Batch> batches)
    {
        long start = Stopwatch.GetTimestamp();
        Batch? batch = batches.MoveNext() ? batches.Current : null;
        if (batch is not null)
            features.Prefetch(batch);
        loadSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
        return batch;
    }

    /// <summary>Queues a batch's forward and backward pass and update; false where it is too short to be trained on.</summary>
    private bool QueueStep(Batch batch, double learningRate)
    {
        isWhole = false;
        Tensor x = features.Take();
        if (model.OutputFrames(batch.MaxFrames) == 0)
            return false;
        Sequence logits = model.Forward(x, batch.Frames, training: true);
        criterion.Forward(logits, [.. batch.Utterances.Select(utterance => utterance.Labels)]);
        model.Parameters.ZeroGradients();
        model.Backward(criterion.Backward());
        optimizer.Step(state.Steps + 1, learningRate);
        return true;
    }

    /// <summary>Waits for a queued step, the only time in a step that the host does, and takes note of what came out.</summary>
    private BatchReport FinishStep(Batch batch, bool runs, double learningRate, long start)
    {
        CtcLosses losses = new([], 0, batch.Utterances.Count);
        double gradientNorm = 0;
        if (runs)
        {
            model.Engine.Synchronize();
            losses = criterion.Losses();
            gradientNorm = optimizer.LastGradientNorm;
        }

        // Where the norm is not finite, the device has left parameters, optimiser state and statistics as they were. A loss that is NaN makes it so.
        bool counts = double.IsFinite(gradientNorm) && double.IsFinite(losses.Mean);
        if (!counts && options.OnNonFinite == NonFinitePolicy.Stop)
            throw Diverged(batch, losses, gradientNorm);
        if (!counts)
            state.SkippedSteps++;
        else if (runs)
            state.Steps++;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        (double load, loadSeconds) = (loadSeconds, 0);
        state.Batch++;
        state.LossSum += counts ? losses.Mean : 0;
        state.Infeasible += losses.Infeasible;
        state.AudioSeconds += batch.AudioSeconds;
        state.EpochSeconds += seconds;
        state.LoadSeconds += load;
        state.TotalSeconds += seconds;
        isWhole = true;
        return new BatchReport(
            state.Epoch, state.Batch, batchesPerEpoch, losses.Mean, gradientNorm, learningRate, losses.Infeasible, batch.AudioSeconds, seconds,
            load, counts ? null : IdsOf(batch));
    }

    /// <summary>Saves the state before a batch that could not be learnt from, and says so.</summary>
    private DivergenceException Diverged(Batch batch, CtcLosses losses, double gradientNorm)
    {
        bool sound = optimizer.IsSound();
        if (sound)
            Save(checkpoints.Latest);
        return DivergenceException.OfBatch(
            state.Epoch + 1, state.Batch + 1, losses, gradientNorm, IdsOf(batch), sound ? checkpoints.Latest : null);
    }

    /// <summary>Evaluates the epoch, turns to the next, and saves; null if it was interrupted.</summary>
    private EpochReport? Evaluate(CancellationToken interruption)
    {
        if (state.SkippedSteps > 0 && state.SkippedSteps == state.Batch)
            throw DivergenceException.OfEpoch(state.Epoch + 1, state.SkippedSteps);
        long start = Stopwatch.GetTimestamp();
        observer.OnEvaluationStart(state.Epoch);
        EvaluationResult evaluation;
        try
        {
            int total = validation.UtteranceCount;
            evaluation = evaluator.Run(validation, done => observer.OnEvaluating(done, total), interruption);
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        state.TotalSeconds += seconds;
        var report = new EpochReport(
            state.Epoch, state.LossSum / (state.Batch - state.SkippedSteps), LearningRate, evaluation.Rates.Wer, evaluation.Rates.WerUtterance, evaluation.Rates.Cer,
            state.Infeasible, state.SkippedSteps, state.EpochSeconds + seconds, state.LoadSeconds, seconds,
            state.AudioSeconds / Math.Max(state.EpochSeconds, 1e-9));
        bool best = state.History.TrueForAll(other => report.Wer < other.Wer);
        state.EndEpoch(report);
        if (best)
            Save(checkpoints.Best);
        if (checkpoints.Keep > 0)
        {
            Save(checkpoints.AfterEpoch(state.Epoch));
            checkpoints.RemoveOld(state.Epoch);
        }

        Save(checkpoints.Latest);
        observer.OnEpoch(report, evaluation);
        return report;
    }

    private double LearningRate => options.Lr / Math.Pow(options.Anneal, state.Epoch);

    private bool HasReachedTarget(EpochReport? report) => report is not null && report.Wer <= options.TargetWer;

    /// <summary>A run that goes on in another folder has its checkpoints there from the start, also where nothing is left to train.</summary>
    private void SaveResumed()
    {
        bool standsAtItsBest = state.Batch == 0 && state.History.Count > 0 && state.History[^1].Wer <= state.History.Min(report => report.Wer);
        if (standsAtItsBest && !File.Exists(checkpoints.Best))
            Save(checkpoints.Best);
        if (!File.Exists(checkpoints.Latest))
            Save(checkpoints.Latest);
    }

    /// <summary>Replaces a checkpoint, but never by one that no run could go on from.</summary>
    private void Save(string path)
    {
        if (!optimizer.IsSound())
            throw DivergenceException.OfParameters(path);
        isWhole = false;
        Checkpoint.Save(path, options, state, model, optimizer);
        isWhole = true;
    }

    /// <summary>Saves the state before the run ends in an exception; where that fails too, the user hears of both.</summary>
    private void SaveBefore(Exception end)
    {
        try
        {
            Save(checkpoints.Latest);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or DivergenceException)
        {
            throw new IOException($"{end.Message}; nor could the state be saved: {exception.Message}", end);
        }
    }

    private static string[] IdsOf(Batch batch) => [.. batch.Utterances.Select(utterance => utterance.Id)];

    private TrainingResult Result(bool targetReached, bool interrupted) =>
        new(targetReached, interrupted, state.History.MinBy(report => report.Wer), state, checkpoints.Latest);
}
