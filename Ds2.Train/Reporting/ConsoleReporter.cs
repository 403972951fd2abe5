using System.Diagnostics;
using Ds2.Runtime.Data;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;
using Spectre.Console;

namespace Ds2.Train.Reporting;

/// <summary>A run for people: options and layers first, then a live line, then a row and a few transcripts after every epoch.</summary>
internal sealed class ConsoleReporter : IRunReporter
{
    private const int TranscriptsShown = 3;
    private static readonly TimeSpan TerminalInterval = TimeSpan.FromSeconds(0.2);
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(20);

    private readonly bool terminal = AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected;
    private TimeLeft? time;
    private long lastLine;
    private int lineLength;
    private int epochs, patience;
    private int currentEpoch = -1;
    private bool hasTarget;
    private string missed = "";
    private string folder = "";
    private bool hasWords;

    /// <summary>Whether the end says which command goes on with the run, and which one uses its model.</summary>
    public bool GivesHints { get; init; } = true;

    public void Start(RunSetup run)
    {
        folder = run.Folder;
        (epochs, patience) = (run.Options.Training.Epochs, run.Options.Training.Patience);
        hasTarget = run.Options.Training.HasTarget;
        missed = hasTarget ? ", target not reached" : "";
        time = TimeLeft.Of(run);
        Console.WriteLine(run.Options.ToJson());
        if (run.Chosen is { } chosen)
            Console.WriteLine($"preset      {chosen.Reason}");
        Console.WriteLine($"device      {run.Model.Engine.Name}");
        Console.WriteLine($"training    {run.Training.Utterances.Count} utterances, {run.Training.TotalSeconds / 3600:F2} h");
        Console.WriteLine($"validation  {run.Validation.Utterances.Count} utterances, {run.Validation.TotalSeconds / 3600:F2} h");
        if (run.Words is { } words)
        {
            hasWords = true;
            Console.WriteLine($"words       {words.Describe()}");
        }

        Console.WriteLine($"run         {folder}");
        if (run.Resume is { State: var state })
            Console.WriteLine($"resumed     epoch {state.Epoch + 1}, after {state.Batch} batches");
        WriteLayers(run.Options, run.Model, run.Training);
    }

    public void OnBatch(BatchReport report)
    {
        currentEpoch = report.Epoch;
        time!.OnBatch(report);
        bool last = report.Batch == report.BatchesPerEpoch;
        if (report.LeftOut is { } utterances)
        {
            EndLine();
            Console.WriteLine(
                $"epoch {report.Epoch + 1}  batch {report.Batch} left out: loss {report.Loss}, |gradient| {report.GradientNorm}; utterances {string.Join(", ", utterances)}");
        }

        if (!Due(terminal ? TerminalInterval : LogInterval) && !(terminal && last))
            return;
        // A terminal of 80 columns has room for the first three: what matters most.
        Line(
            $"epoch {report.Epoch + 1}/{epochs}  batch {report.Batch}/{report.BatchesPerEpoch}  {Durations.Text(time.InEpoch)} left in epoch, {Durations.Text(time.InRun)} in run  "
            + $"loss {report.Loss:F2}{PerLabel(report.LossPerLabel)}  |gradient| {report.GradientNorm:F1}  {time.AudioSecondsPerSecond:F1} audio s/s");
    }

    public void OnNote(string line)
    {
        EndLine();
        Console.Error.WriteLine($"ds2: {line}");
    }

    public void OnEvaluating(int done, int total)
    {
        if (terminal && (Due(TerminalInterval) || done == total))
            Line($"epoch {currentEpoch + 1}/{epochs}  evaluating {done}/{total}");
    }

    public void OnEpoch(EpochReport report, EvaluationResult evaluation)
    {
        time!.OnEpoch(report);
        EndLine();
        Console.WriteLine(
            $"epoch {report.Epoch + 1}  loss {report.Loss:F3}{PerLabel(report.LossPerLabel)}  "
            + $"{(report.ValidationLoss is { } loss ? $"validation loss {loss:F3}{PerLabel(report.ValidationLossPerLabel)}  " : "")}WER {report.Wer:F2} %  utterance WER {report.WerUtterance:F2} %  "
            + $"CER {report.Cer:F2} %  {(report is { BeamWer: { } wer, BeamCer: { } cer } ? $"beam WER {wer:F2} %  CER {cer:F2} %  " : "")}lr {report.LearningRate:G3}  {report.AudioSecondsPerSecond:F1} audio s/s  {Durations.Text(report.Seconds)}");
        if (report.Infeasible > 0)
            Console.WriteLine($"  {report.Infeasible} utterances did not count: their text has more labels than they have output frames");
        if (report.ValidationInfeasible > 0)
            Console.WriteLine($"  {report.ValidationInfeasible} validation utterances have no loss: their text has more labels than they have output frames");
        if (report.SkippedSteps > 0)
            Console.WriteLine($"  {report.SkippedSteps} batches were left out: their loss or gradient was not finite, or a spike");
        int stride = Math.Max(evaluation.Transcripts.Count / TranscriptsShown, 1);
        foreach (Transcript transcript in evaluation.Transcripts.Where((_, i) => i % stride == stride / 2).Take(TranscriptsShown))
        {
            Console.WriteLine($"    said   {transcript.Reference}");
            Console.WriteLine($"    heard  {transcript.Hypothesis}");
        }
    }

    public void End(TrainingResult result)
    {
        EndLine();
        string outcome = result.End switch
        {
            RunEnd.Interruption => GivesHints ? "interrupted; go on with --resume auto" : "interrupted",
            RunEnd.Target => hasTarget ? "target reached" : "no word is wrong any more",
            RunEnd.Patience => $"no better WER in {patience} {(patience == 1 ? "epoch" : "epochs in a row")}{missed} (patience={patience}; to go on, --resume auto --set patience=0)",
            _ => $"last epoch done{missed}",
        };
        string rate = result.Best is null ? "" : $", best WER {result.Best.Wer:F2} %{(result.Best.BeamWer is { } beam ? $" (beam {beam:F2} %)" : "")} after epoch {result.Best.Epoch + 1}";
        Console.WriteLine($"{outcome}{rate}, {Durations.Text(result.State.TotalSeconds)} of training and evaluation");
        Console.WriteLine($"checkpoints {folder}");
        if (GivesHints && result.Best is { } epoch)
        {
            // A run that went back may have left its best epoch's file behind.
            string best = Path.Combine(folder, "best.safetensors"), checkpoint = File.Exists(best) ? best : result.Checkpoint;
            Console.WriteLine("to write a recording down: dotnet run --project Ds2.Train -- transcribe "
                + $"--checkpoint {ShellText.Quote(checkpoint)}{(hasWords && epoch.BeamWer >= epoch.Wer ? " --lm none" : "")} recording.wav");
        }
    }

    public void Dispose() => EndLine();

    private static string PerLabel(double? loss) => loss is { } nats ? $" ({nats:F3} a label)" : "";

    private static void WriteLayers(RunOptions options, DeepSpeech2 model, Corpus training)
    {
        Utterance longest = training.Utterances[^1];
        int frames = Math.Max((int)Math.Round(longest.Seconds * 100) + 1, model.MinimumFrames);
        var table = new Table().Border(TableBorder.Rounded)
            .AddColumn("layer").AddColumn("what").AddColumn("output").AddColumn(new TableColumn("parameters").RightAligned());
        int batch = Math.Min(options.Data.BatchFrames > 0 ? Math.Max(1, options.Data.BatchFrames / frames) : options.Data.Batch, training.Utterances.Count);
        table.AddRow("", "features", Markup.Escape($"[{batch}, 1, {model.Architecture.InputRows}, {frames}]"), "");
        foreach (LayerSummary layer in model.Summarize(batch, frames))
        {
            table.AddRow(
                layer.Name, Markup.Escape(LayerText.Of(layer.Layer)), Markup.Escape(layer.Output.ToString()),
                layer.Parameters == 0 ? "" : $"{layer.Parameters:N0}");
        }

        table.AddRow("", "", "", $"[bold]{model.Parameters.Count:N0}[/]");
        table.Caption($"output shapes for a batch of the longest utterances, {longest.Seconds:F1} s");
        AnsiConsole.Write(table);
    }

    private bool Due(TimeSpan interval)
    {
        if (lastLine != 0 && Stopwatch.GetElapsedTime(lastLine) < interval)
            return false;
        lastLine = Stopwatch.GetTimestamp();
        return true;
    }

    /// <summary>On a terminal the line is overwritten by the next; in a log each stays.</summary>
    private void Line(string text)
    {
        if (!terminal)
        {
            Console.WriteLine(text);
            return;
        }

        int width = Math.Max(Console.WindowWidth - 1, 20);
        text = text.Length > width ? text[..width] : text;
        Console.Write("\r" + text.PadRight(lineLength));
        lineLength = text.Length;
    }

    private void EndLine()
    {
        if (lineLength > 0)
            Console.WriteLine();
        lineLength = 0;
    }
}
