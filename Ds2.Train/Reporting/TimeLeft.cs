using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting;

/// <summary>How long a run will still take, from how long it has taken: to the end of its epoch, and to the end of its last epoch, evaluations included.</summary>
/// <remarks>
/// Within an epoch time goes by audio, as batches that are sorted by length grow; where epochs are cut short, by batches. Epochs to come take as long as the last that was trained and evaluated whole by this process.
/// Before there is one, they take what the rate of training says, and an evaluation a third of what training takes for as much audio: it goes forward alone.
/// </remarks>
/// <param name="epochs">Epochs of the run.</param>
/// <param name="trainingSeconds">Audio of an epoch.</param>
/// <param name="validationSeconds">Audio of an evaluation.</param>
/// <param name="batches">Batches of an epoch that is cut short; null for whole ones.</param>
internal sealed class TimeLeft(int epochs, double trainingSeconds, double validationSeconds, int? batches = null)
{
    private const double EvaluationShare = 1.0 / 3, Memory = 0.95;

    private readonly double epochWork = batches ?? trainingSeconds;
    private int epoch = -1, firstBatch;
    private double workDone, secondsPerWork, secondsPerAudioSecond;
    private double? training, evaluation;

    /// <summary>Seconds to the end of the current epoch's training.</summary>
    public double InEpoch => Math.Max(epochWork - workDone, 0) * secondsPerWork;

    /// <summary>Seconds to the end of the run, if it goes on to its last epoch.</summary>
    public double InRun => InEpoch + Evaluation + (epochs - 1 - epoch) * (Training + Evaluation);

    /// <summary>Seconds of audio that are trained on in a second.</summary>
    public double AudioSecondsPerSecond => 1 / secondsPerAudioSecond;

    private double Training => training ?? epochWork * secondsPerWork;

    private double Evaluation => evaluation ?? validationSeconds * EvaluationShare * secondsPerAudioSecond;

    public static TimeLeft Of(RunSetup run) =>
        new(run.Options.Training.Epochs, run.Training.TotalSeconds, run.Validation.TotalSeconds, run.MaxBatches is null ? null : run.BatchesPerEpoch);

    public void OnBatch(BatchReport report)
    {
        if (report.Epoch != epoch)
        {
            (epoch, firstBatch) = (report.Epoch, report.Batch);
            workDone = epochWork * (report.Batch - 1) / report.BatchesPerEpoch;
        }

        double work = batches is null ? report.AudioSeconds : 1;
        workDone += work;
        secondsPerWork = Smoothed(secondsPerWork, report.Seconds / Math.Max(work, 1e-9));
        secondsPerAudioSecond = Smoothed(secondsPerAudioSecond, report.Seconds / Math.Max(report.AudioSeconds, 1e-9));
    }

    public void OnEpoch(EpochReport report)
    {
        // An epoch that was resumed took what another machine may have taken.
        if (report.Epoch == epoch && firstBatch == 1)
            training = report.Seconds - report.EvaluationSeconds;
        evaluation = report.EvaluationSeconds;
    }

    private static double Smoothed(double before, double now) => before == 0 ? now : Memory * before + (1 - Memory) * now;
}
