using System.Text.Json.Nodes;
using Ds2.Tests.Training;

namespace Ds2.Tests.Reporting;

/// <summary>Runs of the program on the tiny corpus, and the folders that they leave; four batches an epoch, seven utterances to evaluate.</summary>
internal sealed class TinyRun : IDisposable
{
    public TinyCorpus Corpus { get; } = new();

    /// <summary>The path of a file in a run's folder: <c>run/metrics.jsonl</c>.</summary>
    public string this[string name] => Corpus.PathOf(name);

    /// <summary>Trains in a folder to the end, which must succeed.</summary>
    public void Train(string folder, params string[] more)
    {
        (int code, string error) = TryTrain(folder, more);
        Assert.That(code, Is.Zero, error);
    }

    public (int Code, string Error) TryTrain(string folder, params string[] more)
    {
        string[] target = more.Contains("--target-wer") ? [] : ["--target-wer", "-1"];
        (int code, _, string error) = Cli.Program.Run([.. Corpus.TrainArguments(folder), "--threads", "1", .. target, .. more]);
        return (code, error);
    }

    public JsonObject[] Metrics(string folder) => MetricsLines.Read(this[$"{folder}/metrics.jsonl"]);

    public void Dispose() => Corpus.Dispose();
}
