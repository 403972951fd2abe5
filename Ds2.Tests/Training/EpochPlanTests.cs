using System.Text.Json.Nodes;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Training;
using Ds2.Tests.Model;

namespace Ds2.Tests.Training;

/// <summary>Runs that go on in the middle of an epoch, with the batches that it had or with others: every utterance is seen once.</summary>
public sealed class EpochPlanTests : TinyRunTests
{
    private static readonly RunOptions Tiny = TrainingRuns.Tiny with
    {
        Data = TrainingRuns.Tiny.Data with { Batch = 2, Order = BatchOrder.Shuffled },
        Training = TrainingRuns.Tiny.Training with { Epochs = 1 },
    };

    private static IEnumerable<TestCaseData> OtherPlans()
    {
        yield return Case("batch", Tiny.With("batch", "1"), 7);
        yield return Case("accumulate", Tiny.With("accumulate", "2"), 7);
        yield return Case("seed", Tiny.With("seed", "2"), 7);
        yield return Case("order", Tiny.With("order", "sorted"), 7);
        yield return Case("limit", Tiny.With("maxSeconds", "0.9"), 5);
        yield return Case("manifest", Tiny, 6);

        static TestCaseData Case(string name, RunOptions options, int utterances) => new TestCaseData(options, utterances).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(OtherPlans))]
    public void Resume_OtherBatchesInMidEpoch_StartsTheEpochAgainAndSaysSo(RunOptions options, int utterances)
    {
        string latest = StopAfter(2);
        string fewer = Corpus.PathOf("fewer.csv");
        File.WriteAllLines(fewer, File.ReadLines(Corpus.Manifest).Take(6));
        using var observer = new RecordingObserver();
        TrainingResult result = Runs.Run(options, Corpus.PathOf("run"), observer, latest, trainingManifest: utterances == 6 ? fewer : null);
        double[] seconds = [.. Enumerable.Range(0, 7).Select(i => (60 + 7 * i) * 0.01).Take(utterances)];
        Assert.Multiple(() =>
        {
            Assert.That(observer.Notes, Has.Count.EqualTo(1));
            Assert.That(observer.Notes[0], Does.StartWith("epoch 1 starts again: 2 batches").And.Not.Contain("\n"));
            Assert.That(observer.Batches[0].Batch, Is.EqualTo(1));
            Assert.That(observer.Batches, Has.Count.EqualTo(observer.Batches[0].BatchesPerEpoch));
            Assert.That(observer.Batches.Sum(batch => batch.AudioSeconds), Is.EqualTo(seconds.Sum()).Within(1e-9), "each utterance has another length");
            Assert.That(result.State.History, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public void Resume_SameBatches_GoesOn()
    {
        using var observer = new RecordingObserver();
        Runs.Run(Tiny.With("lr", "0.5"), Corpus.PathOf("run"), observer, StopAfter(2));
        Assert.That(observer.Notes, Is.Empty);
        Assert.That(observer.Batches.Select(batch => batch.Batch), Is.EqualTo(new[] { 3, 4 }));
    }

    /// <summary>A checkpoint that is older than plans: its options have to do.</summary>
    [TestCase("1", 7)]
    [TestCase("2", 2)]
    public void Resume_CheckpointWithoutPlan_GoesByTheOptions(string batch, int batches)
    {
        string latest = StopAfter(2), old = Corpus.PathOf("old.safetensors");
        Dictionary<string, string> metadata = StoredModel.MetadataOf(latest);
        JsonObject state = JsonNode.Parse(metadata["ds2.state"])!.AsObject();
        Assert.That(state.Remove("Plan"), Is.True);
        metadata["ds2.state"] = state.ToJsonString();
        StoredModel.Copy(latest, old, metadata);
        using var observer = new RecordingObserver();
        Runs.Run(Tiny.With("batch", batch), Corpus.PathOf("other"), observer, old);
        Assert.That((observer.Batches.Count, observer.Notes.Count), Is.EqualTo((batches, batches == 7 ? 1 : 0)));
    }

    private string StopAfter(int batches)
    {
        using var observer = new RecordingObserver(batches);
        return Runs.Run(Tiny, Corpus.PathOf("run"), observer, stop: observer.Stop).Checkpoint;
    }
}
