using System.Text.Json.Serialization;

namespace Ds2.Runtime.Training;

/// <summary>What an epoch came to.</summary>
/// <param name="Epoch">Its number, from 0.</param>
/// <param name="Loss">The mean training loss of the batches that counted, nats an utterance.</param>
/// <param name="LearningRate">Its learning rate.</param>
/// <param name="Wer">Corpus word error rate of the greedy texts on the validation set, percent: the one that decides, unless the run asks for the beam search's.</param>
/// <param name="WerUtterance">Mean of the utterances' word error rates, percent.</param>
/// <param name="Cer">Corpus character error rate, percent.</param>
/// <param name="Infeasible">Training utterances whose text did not fit their frames; they did not count.</param>
/// <param name="SkippedSteps">Batches left out because their loss or gradient was not finite, or a spike.</param>
/// <param name="Seconds">Time for its training and evaluation.</param>
/// <param name="LoadSeconds">The part of it that the host spent on taking batches from the loader; a GPU works meanwhile.</param>
/// <param name="EvaluationSeconds">The part of it that evaluation took; what is left is the time to compute.</param>
/// <param name="AudioSecondsPerSecond">Seconds of training audio a second of training.</param>
/// <param name="BeamWer">Corpus word error rate of the beam search's texts, percent; null where the run has none.</param>
/// <param name="BeamCer">Their corpus character error rate, percent; likewise.</param>
/// <param name="LossPerLabel">The training loss over the labels of the batches that counted, nats a label; null in epochs from before this was taken note of, as all that follow.</param>
/// <param name="ValidationLoss">The mean loss of the validation set's utterances, nats; also null where none fits its frames. Unlike the training loss it is of the epoch's last parameters, without dropout or augmentation.</param>
/// <param name="ValidationLossPerLabel">The validation loss over all labels, nats a label.</param>
/// <param name="ValidationInfeasible">Validation utterances whose text does not fit their frames: they have no loss, and count as ever in the error rates.</param>
public sealed record EpochReport(
    int Epoch, double Loss, double LearningRate, double Wer, double WerUtterance, double Cer, int Infeasible, int SkippedSteps,
    double Seconds, double LoadSeconds, double EvaluationSeconds, double AudioSecondsPerSecond,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? BeamWer = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? BeamCer = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? LossPerLabel = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? ValidationLoss = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? ValidationLossPerLabel = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? ValidationInfeasible = null);

/// <summary>Where a run stands: with parameters, statistics and optimiser state, all that it takes to go on as if it had never stopped.</summary>
/// <remarks>The order of batches is a function of seed and epoch alone, so that position and seed are the whole state of the random source.</remarks>
public sealed record TrainingState
{
    /// <summary>The current epoch, from 0.</summary>
    public int Epoch { get; set; }

    /// <summary>Steps of the current epoch that are done: batches, unless several make a step.</summary>
    public int Batch { get; set; }

    /// <summary>Whether all batches of the current epoch are done, and its evaluation is what comes next.</summary>
    public bool Trained { get; set; }

    /// <summary>The digest of the current epoch's batches (<see cref="Data.Batching.BatchLoader.PlanOf"/>): a position means something under the same plan alone. Null before the first batch, and in
    /// checkpoints that are older than this.</summary>
    public string? Plan { get; set; }

    /// <summary>The last losses a label, oldest first, where spikes are looked for.</summary>
    public List<double> LossWindow { get; init; } = [];

    /// <summary>The last gradient norms, oldest first, where spikes are looked for.</summary>
    public List<double> NormWindow { get; init; } = [];

    /// <summary>Optimiser steps of the whole run.</summary>
    public int Steps { get; set; }

    /// <summary>The sum of the current epoch's step losses, without those left out.</summary>
    public double LossSum { get; set; }

    /// <summary>The losses of the current epoch's feasible utterances together, without those left out, nats.</summary>
    public double Nats { get; set; }

    /// <summary>Labels of these utterances.</summary>
    public long Labels { get; set; }

    /// <summary>Infeasible utterances of the current epoch.</summary>
    public int Infeasible { get; set; }

    /// <summary>Steps of the current epoch that were left out because their loss or gradient was not finite, or a spike.</summary>
    public int SkippedSteps { get; set; }

    /// <summary>Audio of the current epoch's batches.</summary>
    public double AudioSeconds { get; set; }

    /// <summary>Time spent on the current epoch.</summary>
    public double EpochSeconds { get; set; }

    /// <summary>The part of it that the host spent on taking batches from the loader.</summary>
    public double LoadSeconds { get; set; }

    /// <summary>Time spent on the whole run.</summary>
    public double TotalSeconds { get; set; }

    /// <summary>The epochs that are done.</summary>
    public List<EpochReport> History { get; init; } = [];

    /// <summary>Steps of the whole run, left out or not: what curves count by, as epochs may change their length.</summary>
    [JsonIgnore]
    public long BatchesDone => Steps + SkippedSteps + History.Sum(report => (long)report.SkippedSteps);

    /// <summary>Whether a run can stand here; a damaged file may say otherwise.</summary>
    [JsonIgnore]
    public bool IsValid => Epoch >= 0 && Batch >= 0 && Steps >= 0 && History is not null && !History.Contains(null!) && LossWindow is not null && NormWindow is not null;

    /// <summary>Turns to the next epoch.</summary>
    public void EndEpoch(EpochReport report)
    {
        History.Add(report);
        Epoch++;
        BeginEpoch();
    }

    /// <summary>Goes back to the first batch of the current epoch.</summary>
    public void BeginEpoch()
    {
        Batch = 0;
        Trained = false;
        Plan = null;
        LossSum = 0;
        Nats = 0;
        Labels = 0;
        Infeasible = 0;
        SkippedSteps = 0;
        AudioSeconds = 0;
        EpochSeconds = 0;
        LoadSeconds = 0;
    }
}
