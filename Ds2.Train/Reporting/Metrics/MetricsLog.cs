using System.Text;
using System.Text.Json;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Files;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting.Metrics;

/// <summary><c>metrics.jsonl</c>: a line for every batch and every epoch of the run, each once, however often it was interrupted.</summary>
/// <remarks>
/// A batch's line is written before the checkpoint that holds the batch. So where a run goes on from a checkpoint, its file holds all lines up to there,
/// and maybe some of steps that are taken again: those go. The epochs' lines come from the checkpoint's own history.
/// </remarks>
internal sealed class MetricsLog : IRunReporter
{
    public const string FileName = "metrics.jsonl";

    private const string BatchStart = $"{{\"event\":\"{BatchMetrics.Kind}\",";
    private const string EpochStart = $"{{\"event\":\"{EpochMetrics.Kind}\",";

    private StreamWriter? writer;
    private string path = "";

    /// <summary>Where the run goes on, until its first epoch begins; its position is the run's own, and moves.</summary>
    private TrainingState? resumed;

    public void Start(RunSetup run)
    {
        path = run.PathOf(FileName);
        resumed = run.Resume?.State;
        if (run.Resume is { } checkpoint)
            Continue(path, Path.Combine(Path.GetDirectoryName(Path.GetFullPath(checkpoint.Path))!, FileName), checkpoint.State);
        Open(run.Resume is null ? FileMode.Create : FileMode.Append);
    }

    /// <summary>Drops the lines of an epoch that starts again.</summary>
    public void OnEpochStart(int epoch, int batch)
    {
        if (resumed is not null && batch == 0)
        {
            writer!.Dispose();
            Continue(path, path, resumed);
            Open(FileMode.Append);
        }

        resumed = null;
    }

    public void OnBatch(BatchReport report) => writer!.WriteLine(JsonLines.Text(BatchMetrics.Of(report)));

    public void OnEpoch(EpochReport report, EvaluationResult evaluation) => writer!.WriteLine(JsonLines.Text(EpochMetrics.Of(report)));

    public void Dispose() => writer?.Dispose();

    /// <summary>Whether a file has an epoch's line: a run that got so far.</summary>
    public static bool HasEpoch(string path) => File.ReadLines(path).Any(line => line.StartsWith(EpochStart, StringComparison.Ordinal));

    /// <summary>The batches that a file has lines of, in its order; none where there is no file.</summary>
    public static IEnumerable<BatchMetrics> ReadBatches(string path) =>
        File.Exists(path) ? File.ReadLines(path).Select(ParseBatch).OfType<BatchMetrics>() : [];

    /// <summary>Every line goes to the system at once: what a killed process has written stays. There is a file at every moment: without one the folder would be taken for another run's.</summary>
    private void Open(FileMode mode) => writer = new StreamWriter(new FileStream(path, mode, FileAccess.Write, FileShare.Read)) { AutoFlush = true };

    private static void Continue(string path, string earlier, TrainingState state) => AtomicFile.Write(path, stream =>
    {
        using var lines = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        foreach (string line in Before(state, ReadBatches(earlier)))
            lines.WriteLine(line);
    });

    private static IEnumerable<string> Before(TrainingState state, IEnumerable<BatchMetrics> batches)
    {
        int epochs = 0;
        foreach (BatchMetrics batch in batches)
        {
            int epoch = batch.Epoch - 1;
            if (epoch > state.Epoch || (epoch == state.Epoch && batch.Batch > state.Batch))
                break;
            for (; epochs < epoch; epochs++)
                yield return JsonLines.Text(EpochMetrics.Of(state.History[epochs]));
            yield return JsonLines.Text(batch);
        }

        for (; epochs < state.History.Count; epochs++)
            yield return JsonLines.Text(EpochMetrics.Of(state.History[epochs]));
    }

    /// <summary>The batch that a line is of; null for another kind, and for the part of a line that a killed process or a failed machine left.</summary>
    private static BatchMetrics? ParseBatch(string line)
    {
        try
        {
            return line.StartsWith(BatchStart, StringComparison.Ordinal) ? JsonLines.Parse<BatchMetrics>(line) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
