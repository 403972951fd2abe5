using Ds2.Runtime.Training;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Training;

/// <summary>Recordings that go bad while a run is under way: it stops with their name, what was learnt is saved, and mended it goes on.</summary>
public sealed class DamagedDataRunTests
{
    private TinyCorpus corpus = null!;
    private TrainingRuns runs = null!;

    [SetUp]
    public void MakeCorpus()
    {
        corpus = new TinyCorpus();
        runs = new TrainingRuns(corpus);
    }

    [TearDown]
    public void DeleteCorpus()
    {
        runs.Dispose();
        corpus.Dispose();
    }

    private (int Epoch, int Batch) Position
    {
        get
        {
            using var checkpoint = Checkpoint.Open(corpus.PathOf("run/latest.safetensors"));
            return (checkpoint.State.Epoch, checkpoint.State.Batch);
        }
    }

    /// <summary>Cut after the corpus was loaded: the loader finds it in the middle of the epoch.</summary>
    [Test]
    public void Run_FileCutMeanwhile_SavesAndResumesBitForBit()
    {
        float[] whole = runs.Train(corpus.PathOf("whole"), epochs: 2);
        string file = corpus.PathOf("5.npy");
        byte[] bytes = File.ReadAllBytes(file);
        Assert.That(
            () => runs.Train(corpus.PathOf("run"), epochs: 2, atStart: () => File.WriteAllBytes(file, bytes[..^100])), WavReaderTests.IsOneLine(file, "truncated"));
        Assert.That(Position, Is.EqualTo((0, 5)));
        File.WriteAllBytes(file, bytes);
        Assert.That(runs.Train(corpus.PathOf("run"), epochs: 2), Is.EqualTo(whole));
    }

    /// <summary>Metrics on a full disk, a fault in a reporter: whatever it is, the batches that are done are saved.</summary>
    [Test]
    public void Run_ObserverFails_SavesAndResumesBitForBit()
    {
        float[] whole = runs.Train(corpus.PathOf("whole"), epochs: 2);
        Assert.That(
            () => runs.Train(corpus.PathOf("run"), epochs: 2, report =>
            {
                if (report.Batch == 3)
                    throw new NotSupportedException("a fault");
            }),
            Throws.TypeOf<NotSupportedException>());
        Assert.That(Position, Is.EqualTo((0, 3)));
        Assert.That(runs.Train(corpus.PathOf("run"), epochs: 2), Is.EqualTo(whole));
    }

    /// <summary>Gone after the last batch of the epoch; the validation loader has not read it yet.</summary>
    [Test]
    public void Run_ValidationFileGone_SavesTheEpoch()
    {
        string file = corpus.PathOf("2.npy");
        Assert.That(
            () => runs.Train(corpus.PathOf("run"), epochs: 2, report =>
            {
                if (report.Batch == report.BatchesPerEpoch)
                    File.Delete(file);
            }),
            WavReaderTests.IsOneLine(file, "no such file"));
        Assert.That(Position, Is.EqualTo((0, 7)));
    }
}
