using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;

namespace Ds2.Bench.Data;

/// <summary><c>corpus</c>: what a start costs with as many utterances as LibriSpeech has: time, memory, and how soon it speaks and hears.</summary>
internal static class CorpusCommand
{
    /// <summary>An index, however small the corpus is.</summary>
    private static readonly CorpusOptions Indexed = new() { IndexFrom = 1 };

    public static Command Create()
    {
        var utterances = new Option<int>("--utterances") { Description = "how many, in a made-up corpus (default: LibriSpeech's 960 hours)", DefaultValueFactory = _ => LibriSpeechLengths.Utterances, HelpName = "N" }.AtLeastOne();
        var folder = new Option<string?>("--folder") { Description = "where it is made, or was made before and is found again; default: a temporary folder, deleted at the end", HelpName = "DIR" };
        var manifest = new Option<string?>("--manifest") { Description = "a corpus of yours in its place; an index that it has is written anew", HelpName = "FILE" };
        var command = new Command("corpus", "What reading a large corpus costs: run it under 'taskset -c 0' for one core.") { utterances, folder, manifest };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(manifest) is { } given)
                return Run(given);
            if (parsed.GetValue(folder) is { } kept)
                return Run(Make(kept, parsed.GetValue(utterances)));
            DirectoryInfo temporary = Directory.CreateTempSubdirectory("ds2-corpus-");
            try
            {
                return Run(Make(temporary.FullName, parsed.GetValue(utterances)));
            }
            finally
            {
                temporary.Delete(recursive: true);
            }
        });
        return command;
    }

    private static string Make(string folder, int utterances)
    {
        Console.WriteLine($"making {utterances} utterances in {folder}");
        string manifest = SyntheticCorpus.Make(folder, utterances);
        Thread.Sleep(TimeSpan.FromSeconds(3)); // files of the last two seconds do not count as settled
        return manifest;
    }

    private static int Run(string manifest)
    {
        string index = manifest + CorpusOptions.IndexSuffix;
        File.Delete(index);
        // The first pass brings the files into the page cache and the code into shape.
        Corpus.Load(manifest, Alphabet.English);

        File.Delete(index);
        long collectionBefore = CollectionMilliseconds(), before = GC.GetTotalMemory(forceFullCollection: true);
        var progress = new FirstProgress();
        (double seconds, double processor, Corpus corpus) = Timed(() => Corpus.Load(manifest, Alphabet.English, Indexed with { Progress = progress }));
        long bytes = GC.GetTotalMemory(forceFullCollection: true) - before, collection = CollectionMilliseconds();
        int count = corpus.Utterances.Count;
        Console.WriteLine($"{count} utterances, {corpus.TotalSeconds / 3600:F0} hours, {Environment.ProcessorCount} cores, page cache warm");
        Row("load", seconds, $"s ({processor:F2} s of processor time)");
        Row("first progress after", progress.Seconds ?? double.NaN, "s");
        Row("heap an utterance", (double)bytes / count, "bytes");
        Row("a full collection of the heap", collection, $"ms ({collectionBefore} without the corpus)");
        (double again, double processorAgain, _) = Timed(() => Corpus.Load(manifest, Alphabet.English, Indexed));
        Row("load with the index", again, $"s ({processorAgain:F2} s of processor time)");
        Row("index an utterance", (double)new FileInfo(index).Length / count, "bytes");

        File.Delete(index);
        using var interruption = new CancellationTokenSource();
        using var timer = new Timer(_ => interruption.Cancel(), null, TimeSpan.FromSeconds(seconds / 2), Timeout.InfiniteTimeSpan);
        long heard = 0;
        interruption.Token.Register(() => heard = Stopwatch.GetTimestamp());
        try
        {
            Corpus.Load(manifest, Alphabet.English, Indexed, cancellation: interruption.Token);
            Console.WriteLine("the interruption came too late");
        }
        catch (OperationCanceledException)
        {
            Row("ended after an interruption", Stopwatch.GetElapsedTime(heard).TotalSeconds, "s");
        }
        GC.KeepAlive(corpus);
        return 0;
    }

    private static (double Seconds, double Processor, T Result) Timed<T>(Func<T> work)
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        T result = work();
        return (Stopwatch.GetElapsedTime(start).TotalSeconds, (Environment.CpuUsage.TotalTime - before).TotalSeconds, result);
    }

    /// <summary>The shortest of five.</summary>
    private static long CollectionMilliseconds() => Enumerable.Range(0, 5).Min(_ =>
    {
        long start = Stopwatch.GetTimestamp();
        GC.Collect(2, GCCollectionMode.Forced, blocking: true);
        return (long)Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    });

    private static void Row(string name, double value, string unit) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-30} {value,8:0.00} {unit}"));

    /// <summary>When the reading first spoke.</summary>
    private sealed class FirstProgress : IWorkProgress
    {
        private readonly long start = Stopwatch.GetTimestamp();

        public double? Seconds { get; private set; }

        public IWorkItem Begin(string what, long? total, WorkUnit unit)
        {
            Seconds ??= Stopwatch.GetElapsedTime(start).TotalSeconds;
            return NoProgress.Instance;
        }

        public void Note(string line) => Console.WriteLine(line);
    }
}
