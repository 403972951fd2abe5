using Ds2.Bench.Data;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Bench;

/// <summary>What an epoch of LibriSpeech's size is made of, and whether its checks would see a fault.</summary>
public sealed class SimulatedEpochTests
{
    private string folder = "";

    [SetUp]
    public void MakeFolder() => folder = Directory.CreateTempSubdirectory("ds2-simulated-epoch-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void Run_OfAProgramThatIsNotThere_IsRefused() => Assert.That(
        () => TrainingProcess.Run([Path.Combine(folder, "none")], [], 1, null), Throws.TypeOf<InputException>().With.Message.StartsWith($"{Path.Combine(folder, "none")}: cannot be started"));

    /// <summary>It ended with a stack trace.</summary>
    [TestCase("corpus", "--utterances", "5")]
    [TestCase("lm", "--tokens", "100")]
    public void Main_FolderIsAFile_IsRefused(string command, string option, string value)
    {
        string file = Path.Combine(folder, "file");
        File.WriteAllText(file, "");
        Assert.That(Ds2.Bench.Program.Main([command, "--folder", file, option, value]), Is.EqualTo(2));
    }

    [Test]
    public void Lengths_HaveLibriSpeechsHours()
    {
        const int count = 100_000;
        var random = new Random(1);
        double[] seconds = [.. Enumerable.Range(0, count).Select(i => LibriSpeechLengths.Seconds((double)i / count, random.NextDouble()))];
        Assert.Multiple(() =>
        {
            Assert.That(seconds.Average() * LibriSpeechLengths.Utterances / 3600, Is.EqualTo(960.9).Within(5), "100.6 + 363.6 + 496.7 hours");
            Assert.That(seconds.Min(), Is.GreaterThan(0.8));
            Assert.That(seconds.Max(), Is.LessThan(29.8));
        });
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Corpus_CanBeTrainedOn(bool stored)
    {
        Corpus corpus = Corpus.Load(SyntheticCorpus.Make(folder, 100, stored: stored), Alphabet.English);
        double characters = corpus.Utterances.Sum(utterance => (double)utterance.Text.Length);
        Assert.Multiple(() =>
        {
            Assert.That(corpus.Utterances.Select(utterance => utterance.Id).Distinct().Count(), Is.EqualTo(100));
            Assert.That(characters / corpus.TotalSeconds, Is.EqualTo(LibriSpeechLengths.CharactersOfSecond).Within(1));
        });
    }

    [Test]
    public void Metrics_OfAnotherLoss_Differ()
    {
        RunMetrics whole = Read(Line(1, 1, 2, 0.5, seconds: 1), Line(1, 2, 2, 0.25, seconds: 2));
        Assert.Multiple(() =>
        {
            Assert.That(Read(Line(1, 1, 2, 0.5, seconds: 3), Line(1, 2, 2, 0.25, seconds: 4)).FirstDifference(whole), Is.Null, "times alone");
            Assert.That(Read(Line(1, 1, 2, 0.5, seconds: 1), Line(1, 2, 2, 0.25000000000000006, seconds: 2)).FirstDifference(whole), Does.StartWith("line 2: "));
        });
    }

    [TestCase(1, 3, TestName = "Metrics_WithAGap_AreRefused")]
    [TestCase(1, 1, TestName = "Metrics_WithABatchTwice_AreRefused")]
    [TestCase(2, 2, TestName = "Metrics_OfAnEpochTooEarly_AreRefused")]
    public void Metrics_OutOfOrder_AreRefused(int epoch, int batch) =>
        Assert.That(() => Read(Line(1, 1, 3, 0.5, seconds: 1), Line(epoch, batch, 3, 0.5, seconds: 1)), Throws.TypeOf<InputException>().With.Message.Contains("stands where batch 2 of epoch 1 belongs"));

    [Test]
    public void Metrics_WithoutTheLastBatch_AreRefused() =>
        Assert.That(() => Read(Line(1, 1, 2, 0.5, seconds: 1)), Throws.TypeOf<InputException>().With.Message.EndsWith("the last epoch ends after batch 1 of 2"));

    private RunMetrics Read(params string[] lines)
    {
        string path = Path.Combine(folder, "metrics.jsonl");
        File.WriteAllLines(path, lines);
        return RunMetrics.Read(path);
    }

    private static string Line(int epoch, int batch, int batches, double loss, double seconds) => FormattableString.Invariant(
        $$"""{"event":"batch","epoch":{{epoch}},"batch":{{batch}},"batches":{{batches}},"loss":{{loss}},"infeasible":0,"audioSeconds":4,"seconds":{{seconds}},"loadSeconds":0,"leftOut":null}""");
}
