using System.CommandLine;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;

namespace Ds2.Bench.Data;

/// <summary><c>epoch</c>: an epoch of LibriSpeech's size through the real command line, left alone and killed: what trained, memory, times, sizes.</summary>
internal static class EpochCommand
{
    private const int Batch = 8, ValidationUtterances = 2703;

    /// <summary>Of a tiny model: the data's way is measured, not the model.</summary>
    private static readonly string[] Model = ["--set", "hidden=8", "--set", "channels=1", "--set", "layers=1"];

    public static Command Create()
    {
        var program = new Option<string>("--program") { Description = "how Ds2.Train is called", Required = true, HelpName = "COMMAND" };
        var folder = new Option<string?>("--folder") { Description = "where corpus and runs are made, the corpus and a finished run that was left alone being found again; default: a temporary folder, deleted at the end", HelpName = "DIR" };
        var share = new Option<double>("--share") { CustomParser = NumberOptions.One, Description = "how much of LibriSpeech's 281,241 utterances", DefaultValueFactory = _ => 1, HelpName = "SHARE" };
        var stored = new Option<bool>("--stored") { Description = "13 stored coefficients a frame in place of sound: the features' time is left out" };
        var order = new Option<string>("--order") { Description = "of the batches", DefaultValueFactory = _ => "sorted" };
        var epochs = new Option<int>("--epochs") { Description = "two for an order that draws the second anew", DefaultValueFactory = _ => 1, HelpName = "N" };
        var kills = new Option<int>("--kills") { Description = "how often the second run is killed", DefaultValueFactory = _ => 2, HelpName = "N" };
        var seed = new Option<int>("--seed") { Description = "decides the moments of the kills", DefaultValueFactory = _ => 1, HelpName = "N" };
        var threads = new Option<int>("--threads") { Description = "of training", DefaultValueFactory = _ => 1, HelpName = "N" };
        var together = new Option<bool>("--together") { Description = "both runs at the same time: half as long where cores are free, but neither's times are its own" };
        var command = new Command("epoch", "An epoch of LibriSpeech's size through Ds2.Train's command line, killed and resumed.") { program, folder, share, stored, order, epochs, kills, seed, threads, together };
        command.SetAction(parsed =>
        {
            double part = parsed.GetValue(share);
            if (part is not (> 0 and <= 1))
                throw new InputException("--share must be above 0 and at most 1");
            var run = new EpochRun(
                parsed.GetRequiredValue(program).Split(' ', StringSplitOptions.RemoveEmptyEntries), part, parsed.GetValue(stored), parsed.GetValue(order)!,
                parsed.GetValue(epochs), parsed.GetValue(kills), parsed.GetValue(seed), parsed.GetValue(threads), parsed.GetValue(together));
            if (parsed.GetValue(folder) is { } kept)
                return Run(kept, run);
            DirectoryInfo temporary = Directory.CreateTempSubdirectory("ds2-epoch-");
            try
            {
                return Run(temporary.FullName, run);
            }
            finally
            {
                temporary.Delete(recursive: true);
            }
        });
        return command;
    }

    private static int Run(string folder, EpochRun run)
    {
        int utterances = Count(LibriSpeechLengths.Utterances);
        Console.WriteLine($"making {utterances} utterances in {folder}");
        string training = SyntheticCorpus.Make(folder, utterances, stored: run.Stored), validation = SyntheticCorpus.Make(folder, Count(ValidationUtterances), "val", seed: 2, stored: run.Stored);
        Corpus corpus = Corpus.Load(training, Alphabet.English);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{utterances} utterances, {corpus.TotalSeconds / 3600:F1} hours, the longest {corpus.Utterances[^1].Seconds:F1} s; order {run.Order}, {run.Epochs} epochs"));
        foreach (string index in new[] { training, validation })
            File.Delete(index + CorpusOptions.IndexSuffix);

        string whole = Path.Combine(folder, "runs", "whole"), killed = Fresh(Path.Combine(folder, "runs", "killed")), finished = whole + ".finished";
        // A whole epoch's checkpoints go by minutes; a share's takes less than one.
        string[] arguments =
        [
            "train", "--preset", "mlperf", .. Model, "--set", $"order={run.Order}", "--set", $"batch={Batch}", "--epochs", $"{run.Epochs}", "--target-wer", "-1",
            "--train-manifest", training, "--val-manifest", validation, "--device", "host", "--threads", $"{run.Threads}", "--json",
            "--checkpoint-minutes", "5", "--checkpoint-batches", run.Share < 0.1 ? $"{Math.Max(1, utterances / Batch / 16)}" : "0",
        ];
        Task leftAlone = Task.Run(LeaveAlone);
        if (!run.Together)
            leftAlone.GetAwaiter().GetResult();

        var random = new Random(run.Seed);
        double[] moments = [.. Enumerable.Range(0, run.Kills).Select(_ => random.NextDouble()).Order()];
        long reached = 0;
        for (int i = 0; i <= run.Kills; i++)
        {
            TrainingProcess part = TrainingProcess.Run(run.Program, [.. arguments, "--out", killed, "--resume", "auto"], run.Epochs, i < run.Kills ? moments[i] : null);
            string name = part.Killed ? string.Create(CultureInfo.InvariantCulture, $"killed at {moments[i]:P0} of the batches") : "killed before, now to the end";
            Console.WriteLine(string.Join('\n', [.. Report(name, part), .. i > 0 ? new[] { Row("  steps taken again", reached - part.FirstBatch, "") } : []]));
            reached = part.LastBatch + 1;
        }

        leftAlone.GetAwaiter().GetResult();
        RunMetrics metrics = RunMetrics.Read(Path.Combine(whole, "metrics.jsonl"));
        if (RunMetrics.Read(Path.Combine(killed, "metrics.jsonl")).FirstDifference(metrics) is { } difference)
            throw new InputException($"the run that was killed differs from the one left alone: {difference}");
        Console.WriteLine($"metrics of both runs are equal but for times: {metrics.AudioSeconds.Count} batches");
        RequireEachOnce(corpus, metrics, run.Epochs);
        Console.WriteLine($"each of {corpus.Utterances.Count} utterances was trained on once{(run.Epochs > 1 ? " in the first epoch, and each later epoch has the same batches' number and seconds in all" : "")}");
        Console.WriteLine(Row("waiting for the loader", 100 * metrics.LoadSeconds / metrics.BatchSeconds, "% of the steps' time"));
        Console.WriteLine(Row("speech", metrics.AudioSeconds.Sum() / metrics.BatchSeconds, "s/s"));
        foreach (string file in new[] { "metrics.jsonl", "report.html", "latest.safetensors", "transcripts.tsv" })
            Console.WriteLine(Row(file, new FileInfo(Path.Combine(whole, file)).Length / 1000.0, "kB"));
        return 0;

        void LeaveAlone()
        {
            // Hours, at full size: an earlier call's, of the same arguments, serves.
            string asked = string.Join(' ', arguments);
            if (File.Exists(finished) && File.ReadAllText(finished) == asked)
            {
                Console.WriteLine($"left alone: found finished in {whole}");
                return;
            }

            TrainingProcess part = TrainingProcess.Run(run.Program, [.. arguments, "--out", Fresh(whole)], run.Epochs, killAt: null);
            Console.WriteLine(string.Join('\n', Report("left alone", part)));
            File.WriteAllText(finished, asked);
        }

        int Count(int all) => Math.Max(Batch, (int)Math.Round(run.Share * all));
    }

    /// <summary>An epoch must have all batches and all seconds; the first one, whose batches are neighbours by length in every order, each batch its own.</summary>
    private static void RequireEachOnce(Corpus corpus, RunMetrics metrics, int epochs)
    {
        int batches = (corpus.Utterances.Count + Batch - 1) / Batch;
        if (metrics.AudioSeconds.Count != epochs * batches)
            throw new InputException($"{metrics.AudioSeconds.Count} batches were trained on; {epochs} epochs have {epochs * batches}");
        if (metrics.Untrained > 0)
            throw new InputException($"{metrics.Untrained} utterances had no loss or were left out");
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            double sum = metrics.AudioSeconds.Skip(epoch * batches).Take(batches).Sum();
            if (Math.Abs(sum - corpus.TotalSeconds) > 1e-6 * corpus.TotalSeconds)
                throw new InputException(string.Create(CultureInfo.InvariantCulture, $"epoch {epoch + 1} trained on {sum:F2} s of speech; the corpus has {corpus.TotalSeconds:F2} s"));
        }

        // As a set: an order that takes the batches at random has them all the same.
        double[] expected = [.. corpus.Utterances.Select(utterance => utterance.Seconds).Chunk(Batch).Select(batch => batch.Sum()).Order()];
        double[] trained = [.. metrics.AudioSeconds.Take(batches).Order()];
        for (int i = 0; i < batches; i++)
        {
            if (Math.Abs(trained[i] - expected[i]) > 1e-3)
                throw new InputException(string.Create(CultureInfo.InvariantCulture, $"no batch of the first epoch has the {expected[i]:F3} s of one that the plan has, but one has {trained[i]:F3} s"));
        }
    }

    private static string Fresh(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        return folder;
    }

    /// <summary>A run's lines, to be written at once: another may write at the same time.</summary>
    private static IEnumerable<string> Report(string name, TrainingProcess part) =>
    [
        name, Row("  whole time", part.Seconds, "s"), Row("  first step done after", part.FirstBatchSeconds, "s"), Row("  peak memory until then", part.StartPeak, "MB"),
        .. part.QuarterPeaks.Index().Where(quarter => quarter.Item > 0).Select(quarter => Row($"  in quarter {quarter.Index + 1} of the batches", quarter.Item, "MB")),
    ];

    private static string Row(string name, double value, string unit) => string.Create(CultureInfo.InvariantCulture, $"{name,-34} {value,9:0.0} {unit}");

    /// <summary>What is run.</summary>
    private sealed record EpochRun(IReadOnlyList<string> Program, double Share, bool Stored, string Order, int Epochs, int Kills, int Seed, int Threads, bool Together);
}
