using System.Diagnostics;
using System.Text;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Files;
using Ds2.Runtime.Training;
using Ds2.Train.Reporting.Metrics;
using Ds2.Train.Reporting.RunFolder;

namespace Ds2.Train.Reporting.Report;

/// <summary><c>report.html</c>: the run for people, in one file that needs nothing else; renewed after every evaluation and at the end.</summary>
internal sealed class HtmlReport : IRunReporter
{
    public const string FileName = "report.html";

    /// <summary>Epochs of a few milliseconds need no report each.</summary>
    private static readonly TimeSpan LeastInterval = TimeSpan.FromSeconds(1);

    private BatchCurve batches = new();
    private readonly List<EpochMetrics> epochs = [];
    private IReadOnlyList<SampleUtterance> samples = [];
    private EvaluationResult? evaluation;
    private RunSetup? run;
    private RunEnvironment? environment;
    private long lastWrite;
    private bool ended, resumedWithinEpoch;

    /// <remarks>A run that goes on takes what was before from the run's metrics, which <see cref="MetricsLog"/> has brought to the checkpoint by now.</remarks>
    public void Start(RunSetup run)
    {
        this.run = run;
        environment = RunEnvironment.Of(run);
        samples = SampleUtterance.Choose(run.Validation, run.Options.Model.Features);
        if (run.Resume is not { } checkpoint)
            return;
        epochs.AddRange(checkpoint.State.History.Select(EpochMetrics.Of));
        ReadBatches();
        resumedWithinEpoch = checkpoint.State.Batch > 0;
        evaluation = LastEvaluation(run, checkpoint.State);
    }

    /// <summary>The batches of an epoch that starts again have left the metrics by now: they leave the curves, too.</summary>
    public void OnEpochStart(int epoch, int batch)
    {
        if (resumedWithinEpoch && batch == 0)
            ReadBatches();
        resumedWithinEpoch = false;
    }

    public void OnBatch(BatchReport report) => batches.Add(BatchMetrics.Of(report));

    public void OnEpoch(EpochReport report, EvaluationResult evaluation)
    {
        epochs.Add(EpochMetrics.Of(report));
        this.evaluation = evaluation;
        if (lastWrite == 0 || Stopwatch.GetElapsedTime(lastWrite) >= LeastInterval)
            Write($"running: epoch {report.Epoch + 1} of at most {run!.Options.Training.Epochs} is done");
    }

    public void End(TrainingResult result)
    {
        ended = true;
        bool hasTarget = run!.Options.Training.HasTarget;
        string missed = hasTarget ? ", the target is not reached" : "";
        Write(result.End switch
        {
            RunEnd.Interruption => "interrupted; it goes on with --resume auto",
            RunEnd.Target => hasTarget ? "done: the target is reached" : "done: no word is wrong any more",
            RunEnd.Patience => $"done: the last {run.Options.Training.Patience} epochs had no better word error rate (patience){missed}",
            _ => $"done: the last epoch is over{missed}",
        });
    }

    /// <summary>A run that ends in an exception says so; what it was stands on the console.</summary>
    public void Dispose()
    {
        if (run is not null && !ended)
            Write("ended in an error");
    }

    /// <summary>What the run heard last: shown until its next evaluation, which never comes where nothing is left to train. Transcripts of an epoch that it goes back behind have
    /// other rates than the checkpoint's last epoch, greedy's or the beam search's, and must not stand beside it.</summary>
    private static EvaluationResult? LastEvaluation(RunSetup run, TrainingState state) =>
        state.History is [.., var last] && TranscriptFile.Read(run.PathOf(RunFolderReporter.Transcripts), run.Validation) is { Rates: var rates } evaluation
        && ((rates.Wer, rates.WerUtterance, rates.Cer) == (last.Wer, last.WerUtterance, last.Cer) || (rates.Wer, rates.Cer) == (last.BeamWer, last.BeamCer)) ? evaluation : null;

    private void ReadBatches()
    {
        batches = new BatchCurve();
        foreach (BatchMetrics batch in MetricsLog.ReadBatches(run!.PathOf(MetricsLog.FileName)))
            batches.Add(batch);
    }

    private void Write(string status)
    {
        string page = new ReportPage(run!, environment!, status, epochs, [.. batches.Points], samples, evaluation).ToHtml();
        AtomicFile.Write(run!.PathOf(FileName), stream => stream.Write(Encoding.UTF8.GetBytes(page)));
        lastWrite = Stopwatch.GetTimestamp();
    }
}
