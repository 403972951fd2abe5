using Ds2.Runtime;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

public sealed class LongRecordingsTests : TinyRunTests
{
    /// <summary>Of seven utterances of up to 1.02 s one goes on for a quarter of an hour: it alone has a batch of two take 900 times as much.</summary>
    [Test]
    public void Note_OneLongRecording_IsNamedWithWhatHelps()
    {
        Corpus.MakeFirstLong(90_000);
        Assert.That(Note(new DataOptions { Batch = 2 }), Is.EqualTo(
            $"{Corpus.PathOf("0.npy")}, 900 s long, alone decides about the memory of a batch: it takes 1800.0 GB, and 2.1 GB with --set maxSeconds=1.1, which leaves it out of 7; "
            + "--set batchFrames=206 takes 900.0 GB and trains on all"));
        Assert.That(Note(new DataOptions { BatchFrames = 500 }), Does.EndWith("it takes 900.0 GB, and 4.1 GB with --set maxSeconds=1.1, which leaves it out of 7"));
        Assert.That(Note(new DataOptions { Batch = 2 }, bytesPerFrame: 1000), Is.Null, "what it takes is little");
    }

    /// <summary>Of the validation set no option leaves anything out.</summary>
    [Test]
    public void Note_LongRecordingOfValidation_IsNamedWithWhatHelps()
    {
        Corpus.MakeFirstLong(90_000);
        Assert.That(Note(new DataOptions { Batch = 2 }, isTraining: false), Is.EqualTo(
            $"{Corpus.PathOf("0.npy")}, 900 s long, alone decides about the memory of validation: a batch takes 1800.0 GB, and 2.1 GB without it; cut it into pieces, or out of the validation manifest"));
    }

    [Test]
    public void Note_SomeLongRecordingsOfThirty_AreFew()
    {
        Corpus.MakeFirstLong(90_000);
        string[] lines = File.ReadAllLines(Corpus.Manifest);
        for (int i = 1; i < 3; i++)
        {
            File.Copy(Corpus.PathOf("0.npy"), Corpus.PathOf($"long-{i}.npy"));
            lines = [.. lines, $"long-{i}.npy,0.txt"];
        }

        for (int i = 0; i < 24; i++)
        {
            File.Copy(Corpus.PathOf("1.npy"), Corpus.PathOf($"short-{i}.npy"));
            lines = [.. lines, $"short-{i}.npy,1.txt"];
        }

        File.WriteAllLines(Corpus.Manifest, lines);
        Assert.That(Note(new DataOptions { Batch = 2 }), Does.StartWith("3 long recordings decide, ").And.Contain("which leaves them out of 33"));
    }

    [Test]
    public void Note_RecordingsOfLikeLength_AreNoMatter() => Assert.That(Note(new DataOptions { Batch = 2 }), Is.Null);

    /// <summary>Said before the memory is asked for: where there is not enough, this is why.</summary>
    [Test]
    public void Run_LongRecording_IsNotedFirst()
    {
        Corpus.MakeFirstLong(40_000_000);
        using var observer = new RecordingObserver();
        Assert.That(() => Runs.Run(TrainingRuns.Tiny with { Data = TrainingRuns.Tiny.Data with { Batch = 7 } }, Corpus.PathOf("run"), observer), Throws.TypeOf<InputException>());
        Assert.That(observer.Notes, Has.Count.EqualTo(2).And.Some.Contains("about the memory of validation").And.Some.Match(@"0\.npy, 400000 s long, alone decides about the memory of a batch: it takes more than any device has, and [\d.]+ MB with --set maxSeconds=1\.1,"));
    }

    private string? Note(DataOptions options, long bytesPerFrame = 10_000_000, bool isTraining = true)
    {
        var data = Runtime.Data.Corpus.Load(Corpus.Manifest, Alphabet.English);
        using var loader = new BatchLoader(data, new FeatureExtractor(FeatureKind.MfccRaw), options.Batch, options.Order, seed: 0) { BatchFrames = options.BatchFrames };
        return LongRecordings.Note(loader, options, size => bytesPerFrame * size.Utterances * size.Frames, isTraining);
    }
}
