using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Files;
using Ds2.Runtime.Model;
using Ds2.Runtime.Options;
using Ds2.Runtime.Recognition;

namespace Ds2.Runtime.Training;

/// <summary>Trains a model until its word error rate on the validation set reaches the target or the last epoch is done.</summary>
public sealed class Trainer : IDisposable
{
    private readonly RunOptions options;
    private readonly DeepSpeech2 model;
    private readonly ModelDescription description;
    private readonly LearningRateSchedule schedule;
    private readonly BatchStep step;
    private readonly Recognizer recognizer;
    private readonly BeamValidation? beam;
    private readonly BatchLoader training;
    private readonly BatchLoader validation;
    private readonly CheckpointPolicy checkpoints;
    private readonly ITrainingObserver observer;
    private readonly int batchesPerEpoch;
    private readonly TrainingState state;
    private readonly string? resumedFrom;
    private readonly QueuedCommunicator ranks;

    /// <summary>Whether options are others than the checkpoint's that decide about the batches: what an old checkpoint says in place of its plan.</summary>
    private readonly bool shapedOtherwise;
    private double loadSeconds;

    /// <summary>The epoch that the folder's best checkpoint stands after; 0 for none.</summary>
    private int bestEpoch;

    /// <summary>Whether model and position belong together and no checkpoint has just failed: not between a step's beginning and its end.</summary>
    private bool isWhole = true;

    /// <summary>A run at its start, or where a checkpoint left it.</summary>
    /// <param name="options">The run's options; at a resumed run they may differ from the checkpoint's in what does not shape the model.</param>
    /// <param name="model">The model; the caller owns it.</param>
    /// <param name="description">What the model is.</param>
    /// <param name="training">Training batches; the caller owns it.</param>
    /// <param name="validation">Validation batches; the caller owns it.</param>
    /// <param name="checkpoints">Where checkpoints go.</param>
    /// <param name="observer">Told what happens.</param>
    /// <param name="maxBatches">An epoch ends after so many steps; null for all.</param>
    /// <param name="resume">The checkpoint to go on from; null to start.</param>
    /// <param name="beam">A beam search whose errors on the validation set are counted beside those of greedy decoding; null for none.</param>
    /// <param name="ranks">The ranks that train together, this one among them; null for it alone. The caller's. Rank 0 alone writes.</param>
    /// <exception cref="InputException">The checkpoint is of another model.</exception>
    public Trainer(
        RunOptions options, DeepSpeech2 model, ModelDescription description, BatchLoader training, BatchLoader validation, CheckpointPolicy checkpoints,
        ITrainingObserver observer, int? maxBatches = null, Checkpoint? resume = null, BeamValidation? beam = null,
        ICommunicator? ranks = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(description);
        ArgumentNullException.ThrowIfNull(training);
        this.options = options;
        this.model = model;
        this.training = training;
        this.validation = validation;
        this.checkpoints = checkpoints;
        this.beam = beam;
        this.observer = observer;
        this.description = description;
        batchesPerEpoch = Math.Min(training.StepsPerEpoch, maxBatches ?? int.MaxValue);
        schedule = new LearningRateSchedule(options.Training, batchesPerEpoch);
        this.ranks = new QueuedCommunicator(ranks ?? new LoneCommunicator());
        step = new BatchStep(options.Training, model, description.Alphabet.Blank, training.Accumulate, this.ranks);
        recognizer = new Recognizer(model, new GreedyDecoder(description.Alphabet), step.Pass);
        state = resume?.State ?? new TrainingState();
        resumedFrom = resume?.Path;
        shapedOtherwise = resume?.Options.ChangesTo(options).Any(change => change.Option.OnResume == ResumeRule.ShapesEpoch) ?? false;
        resume?.Restore(model, step.Optimizer);
    }

    /// <summary>Steps of an epoch of this run: batches, unless several make a step.</summary>
    public int BatchesPerEpoch => batchesPerEpoch;

    /// <summary>Trains until the target, the last epoch, the end of its patience, or the interruption; a checkpoint is written in each case.</summary>
    /// <param name="interruption">Asks the run to finish its step, save, and return.</param>
    /// <exception cref="InputException">A recording cannot be read, or the device has too little memory.</exception>
    /// <exception cref="DivergenceException">A loss or gradient is not finite, and the options say stop; or nothing is finite any more.</exception>
    public TrainingResult Run(CancellationToken interruption = default)
    {
        // Before memory is asked for: where there is not enough, this is why.
        if (LongRecordings.Note(training, options.Data, step.BytesFor) is { } longRecordings)
            observer.OnNote(longRecordings);
        if (LongRecordings.Note(validation, options.Data, recognizer.BytesFor, isTraining: false) is { } longValidation)
            observer.OnNote(longValidation);
        var memory = new MemoryReservation(options.Data, model);
        memory.ForTraining(training, step);
        memory.ForEvaluation(validation, recognizer);
        if (resumedFrom is not null)
            SaveResumed(resumedFrom);
        RunEnd? end;
        while ((end = Ended()) is null)
        {
            EpochReport? report;
            try
            {
                PlanEpoch();
                observer.OnEpochStart(state.Epoch, state.Batch);
                report = TrainEpoch(interruption) ? Evaluate(interruption) : null;
            }
            catch (Exception exception) when (isWhole && exception is not DivergenceException && ranks.Ranks == 1)
            {
                // Whatever it was, a recording that is gone or a log on a full disk: mended, the run goes on with the very batch that it was to be in. Of several ranks one alone cannot save: the last checkpoint stands.
                SaveBefore(exception);
                throw;
            }

            if (report is null)
            {
                Save(checkpoints.Latest);
                return Result(RunEnd.Interruption);
            }
        }

        return Result(end.Value);
    }

    /// <summary>Gives the run's memory back; model and loaders stay.</summary>
    public void Dispose()
    {
        // What is still on its way must not find its memory given back; where the job has failed, the process ends with it.
        ranks.Dispose();
        recognizer.Dispose();
        if (ranks.IsSettled)
            step.Dispose();
    }

    /// <summary>Holds the batches that a checkpoint's epoch had against those that it has now: a position among others would skip utterances or repeat them.</summary>
    private void PlanEpoch()
    {
        string plan = training.PlanOf(state.Epoch);
        bool isOther = state.Plan is { } known ? known != plan : shapedOtherwise;
        bool startsAgain = isOther && !state.Trained && state.Batch > 0;
        if (startsAgain)
        {
            observer.OnNote(
                $"epoch {state.Epoch + 1} starts again: {state.Batch} batches of it were done, but its batches are others now, by other utterances or by batch, batchFrames, accumulate, maxSeconds, order or seed");
            state.BeginEpoch();
        }

        state.Plan = plan;
        // Before observers drop what they hold of the epoch: after a kill, they are asked for it up to the checkpoint's position.
        if (startsAgain)
            Save(checkpoints.Latest);
    }

    /// <summary>The rest of the current epoch's batches; false if it was interrupted.</summary>
    private bool TrainEpoch(CancellationToken interruption)
    {
        if (state.Trained || state.Batch >= batchesPerEpoch)
            return true;
        long lastSave = Stopwatch.GetTimestamp();
        long start = Stopwatch.GetTimestamp();
        using IEnumerator<Batch> batches = training.Epoch(state.Epoch, state.Batch).GetEnumerator();
        Batch? batch = Next(batches);
        while (batch is not null)
        {
            // The next batch is read and copied while the device works on this one. What is wrong with it must not hide this one's outcome.
            double learningRate = schedule.Rate(state.Epoch, state.Batch, state.Steps);
            isWhole = true; // a batch that fails takes its step back
            step.Queue(batch, state.Steps + 1, learningRate);
            isWhole = false;
            Batch? following = null;
            ExceptionDispatchInfo? fault = null;
            try
            {
                // Of several ranks none knows yet whether another is to stop.
                if (!batch.Part.IsLast || state.Batch + 1 < batchesPerEpoch && (ranks.Ranks > 1 || !interruption.IsCancellationRequested))
                    following = Next(batches);
            }
            catch (Exception exception)
            {
                fault = ExceptionDispatchInfo.Capture(exception);
            }

            if (!batch.Part.IsLast)
            {
                step.EndBatch();
                if (fault is not null)
                    AbandonStep(fault);
                batch = following;
                continue;
            }

            var requests = new StepRequests(interruption.IsCancellationRequested, checkpoints.IsDue(Stopwatch.GetElapsedTime(lastSave), state.Batch + 1));
            observer.OnBatch(FinishStep(learningRate, start, requests));
            start = Stopwatch.GetTimestamp();
            fault?.Throw();
            if (state.Batch >= batchesPerEpoch)
                break;
            // A rank alone looks again: it need not wait for the next step.
            if (step.Agreed.Stop || ranks.Ranks == 1 && interruption.IsCancellationRequested)
                return false;
            if (step.Agreed.Save)
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
            step.Prefetch(batch);
        loadSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
        return batch;
    }

    /// <summary>Ends the run in the middle of a step whose next batch cannot be read: nothing of the step stays.</summary>
    private void AbandonStep(ExceptionDispatchInfo fault)
    {
        step.Abandon();
        isWhole = true;
        fault.Throw();
    }

    /// <summary>Waits for a queued step and takes note of what came out.</summary>
    private BatchReport FinishStep(double learningRate, long start, StepRequests requests)
    {
        (StepOutcome outcome, StepLosses losses, double gradientNorm) = step.Finish(state, requests);
        if (outcome == StepOutcome.NotFinite && options.Training.OnNonFinite == NonFinitePolicy.Stop)
            throw Diverged(losses, gradientNorm);
        bool counts = outcome is StepOutcome.Learnt or StepOutcome.TooShort;
        if (!counts)
            state.SkippedSteps++;
        else if (outcome == StepOutcome.Learnt)
            state.Steps++;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        (double load, loadSeconds) = (loadSeconds, 0);
        state.Batch++;
        state.LossSum += counts ? losses.Mean : 0;
        (double nats, int labels) = (losses.Nats, losses.Labels);
        if (counts)
            (state.Nats, state.Labels) = (state.Nats + nats, state.Labels + labels);
        state.Infeasible += losses.Infeasible;
        state.AudioSeconds += losses.AudioSeconds;
        state.EpochSeconds += seconds;
        state.LoadSeconds += load;
        state.TotalSeconds += seconds;
        isWhole = true;
        return new BatchReport(
            state.Epoch, state.Batch, batchesPerEpoch, losses.Mean, gradientNorm, learningRate, losses.Infeasible, losses.AudioSeconds, seconds,
            load, counts ? null : losses.Ids, labels == 0 ? null : nats / labels);
    }

    /// <summary>Saves the state before a step that could not be learnt from, and says so.</summary>
    private DivergenceException Diverged(StepLosses losses, double gradientNorm)
    {
        bool sound = IsSound();
        if (sound)
            Save(checkpoints.Latest);
        return DivergenceException.OfBatch(
            state.Epoch + 1, state.Batch + 1, losses.Mean, gradientNorm, losses.Suspects, sound ? checkpoints.Latest : null);
    }

    /// <summary>Evaluates the epoch, turns to the next, and saves; null if it was interrupted.</summary>
    private EpochReport? Evaluate(CancellationToken interruption)
    {
        if (state.SkippedSteps > 0 && state.SkippedSteps == state.Batch)
            throw DivergenceException.OfEpoch(state.Epoch + 1, state.SkippedSteps);
        if (!state.Trained)
        {
            // An evaluation that fails, for days of training, must not take the epoch along.
            state.Trained = true;
            Save(checkpoints.Latest);
        }

        long start = Stopwatch.GetTimestamp();
        observer.OnEvaluationStart(state.Epoch);
        EvaluationResult evaluation;
        try
        {
            int total = validation.UtteranceCount;
            evaluation = new Evaluator(recognizer, beam?.Decoder, beam is { Decides: true }, ranks).Run(validation, done => observer.OnEvaluating(done, total), interruption);
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        state.TotalSeconds += seconds;
        var report = new EpochReport(
            state.Epoch, state.LossSum / (state.Batch - state.SkippedSteps), schedule.Rate(state.Epoch, state.Batch - 1, Math.Max(0, state.Steps - 1)), evaluation.Rates.Wer,
            evaluation.Rates.WerUtterance, evaluation.Rates.Cer, state.Infeasible, state.SkippedSteps, state.EpochSeconds + seconds, state.LoadSeconds, seconds,
            state.AudioSeconds / Math.Max(state.EpochSeconds, 1e-9), evaluation.OtherRates?.Wer, evaluation.OtherRates?.Cer,
            state.Labels == 0 ? null : state.Nats / state.Labels, evaluation.Loss.PerUtterance, evaluation.Loss.PerLabel, evaluation.Loss.Infeasible);
        // Of a run whose rate to decide by has changed, the file may be of another epoch than the best of all.
        bool best = bestEpoch > 0 ? Deciding(report) < Deciding(state.History[bestEpoch - 1]) : state.History.TrueForAll(other => Deciding(report) < Deciding(other));
        state.EndEpoch(report);
        if (best)
            SaveBest();
        if (checkpoints.Keep > 0)
        {
            Save(checkpoints.AfterEpoch(state.Epoch));
            if (ranks.Rank == 0)
                checkpoints.RemoveOld(state.Epoch);
        }

        Save(checkpoints.Latest);
        observer.OnEpoch(report, evaluation);
        if (OverfittingWatch.Note(state.History) is { } overfitting)
            observer.OnNote(overfitting);
        return report;
    }

    /// <summary>Whether the run is over, and why; it follows from the epochs that are done, so that a run that goes on decides as one that was never stopped.</summary>
    private RunEnd? Ended()
    {
        List<EpochReport> history = state.History;
        if (history.Count > 0 && Deciding(history[^1]) <= options.Training.TargetWer)
            return RunEnd.Target;
        if (state.Epoch >= options.Training.Epochs)
            return RunEnd.LastEpoch;
        if (options.Training.Patience == 0 || history.Count == 0)
            return null;
        int since = history.Count - 1 - history.IndexOf(history.MinBy(Deciding)!);
        return since >= options.Training.Patience ? RunEnd.Patience : null;
    }

    /// <summary>The word error rate that target and best epoch go by. An epoch from before the beam search came along has the greedy one.</summary>
    private double Deciding(EpochReport report) => beam is { Decides: true } ? report.BeamWer ?? report.Wer : report.Wer;

    /// <summary>A run that goes on from another file than its folder's latest has its checkpoints there from the start, also where nothing is left to train: a kill before the
    /// first save must not bring back what was gone back on.</summary>
    private void SaveResumed(string from)
    {
        int best = state.History.Count == 0 ? 0 : 1 + state.History.IndexOf(state.History.MinBy(Deciding)!);
        int[] found = [0, 0, 0, 0];
        // What stands in the folder rank 0 looks at for all.
        if (ranks.Rank == 0)
        {
            bool wentBack = FileIdentity.Of(from) != FileIdentity.Of(checkpoints.Latest);
            var kept = new BestCheckpoint(checkpoints, state.History);
            if (wentBack && FileIdentity.Of(from) != FileIdentity.Of(checkpoints.Best))
                kept.SetAbandonedAside(observer.OnNote);
            if (wentBack)
                checkpoints.SetAbandonedAside(state.Epoch, kept.IsOther, observer.OnNote);
            kept.TakeAlong(from, best);
            found = [kept.Epochs() ?? 0, File.Exists(checkpoints.Latest) ? 1 : 0, wentBack ? 1 : 0, File.Exists(checkpoints.Best) ? 1 : 0];
        }

        found = [.. MemoryMarshal.Cast<byte, int>(ranks.Broadcast([.. MemoryMarshal.AsBytes<int>(found)], root: 0))];
        bestEpoch = found[0];
        if (best != bestEpoch && state.Batch == 0 && best == state.History.Count)
            SaveBest();
        else if (best != bestEpoch && bestEpoch > 0)
            observer.OnNote($"{checkpoints.Best} is of epoch {bestEpoch}; that of epoch {best}, which is better by the error rate that decides now, was not kept: the next that is better than epoch {bestEpoch} replaces it");
        else if (best > 0 && found[3] == 0)
            observer.OnNote($"{checkpoints.Best} is not there, and the checkpoint of epoch {best}, the best so far, was not kept: the next epoch that is better is saved as it");
        if (found[2] == 1 || found[1] == 0)
            Save(checkpoints.Latest);
    }

    private void SaveBest()
    {
        Save(checkpoints.Best);
        bestEpoch = state.History.Count;
    }

    /// <summary>Replaces a checkpoint, but never by one that no run could go on from.</summary>
    private void Save(string path)
    {
        if (!IsSound())
            throw DivergenceException.OfParameters(path);
        isWhole = false;
        if (ranks.Ranks == 1)
            Checkpoint.Save(path, description, options, state, model, step.Optimizer);
        else
            SaveTogether(path);
        isWhole = true;
    }

    /// <summary>Rank 0 writes what all ranks have of the optimiser's state; the others wait until the file stands.</summary>
    private void SaveTogether(string path)
    {
        (string Name, float[] Values)[] states = [.. step.Optimizer.States.Select(kept => (kept.Name, step.Collect(kept.State)))];
        if (ranks.Rank == 0)
            Checkpoint.Save(path, description, options, state, model, states);
        ranks.Barrier();
    }

    /// <summary>Whether parameters and optimiser state are finite numbers, on all ranks.</summary>
    private bool IsSound()
    {
        bool sound = step.Optimizer.IsSound();
        return ranks.Ranks == 1 ? sound : ranks.AllGather([sound ? (byte)1 : (byte)0]).All(of => of[0] == 1);
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

    private TrainingResult Result(RunEnd end) => new(end, state.History.MinBy(Deciding), state, checkpoints.Latest);
}
