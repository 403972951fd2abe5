using Ds2.Runtime.Training;
using Ds2.Train.Reporting;

namespace Ds2.Tests.Reporting;

public sealed class TimeLeftTests
{
    /// <summary>Four batches of 25 s of audio each at 2 s, an evaluation of 30 s of audio that takes 5 s.</summary>
    [Test]
    public void InRun_CountsTheEpochsToCome_EvaluationsIncluded()
    {
        var time = new TimeLeft(epochs: 3, trainingSeconds: 100, validationSeconds: 30);
        time.OnBatch(Batch(0, 1));
        Assert.That(time.InEpoch, Is.EqualTo(6).Within(1e-9));
        Assert.That(time.InRun, Is.EqualTo(6 + 0.8 + 2 * (8 + 0.8)).Within(1e-9), "an evaluation is guessed at 30 / 3 s of audio, at 12.5 s/s");
        time.OnBatch(Batch(0, 4));
        time.OnEpoch(Epoch(0));
        time.OnBatch(Batch(1, 1));
        Assert.That(time.InRun, Is.EqualTo(6 + 5 + 20 + 5).Within(1e-9), "the epoch took 20 s and 5 s");
        time.OnBatch(Batch(2, 4));
        Assert.That(time.InRun, Is.EqualTo(5).Within(1e-9));
    }

    /// <summary>What a resumed epoch took says nothing of this machine, its evaluation does.</summary>
    [Test]
    public void InRun_OfAResumedRun_GoesByThisProcess()
    {
        var time = new TimeLeft(epochs: 2, trainingSeconds: 100, validationSeconds: 30);
        time.OnBatch(Batch(0, 4));
        Assert.That(time.InEpoch, Is.Zero.Within(1e-9));
        time.OnEpoch(Epoch(0));
        time.OnBatch(Batch(1, 2));
        Assert.That(time.InRun, Is.EqualTo(4 + 5).Within(1e-9));
    }

    [Test]
    public void InEpoch_CutShort_GoesByBatches()
    {
        var time = new TimeLeft(epochs: 1, trainingSeconds: 1000, validationSeconds: 30, batches: 4);
        time.OnBatch(Batch(0, 1));
        Assert.That((time.InEpoch, time.AudioSecondsPerSecond), Is.EqualTo((6.0, 12.5)));
    }

    private static BatchReport Batch(int epoch, int batch) => new(epoch, batch, 4, 1, 1, 0.1, 0, AudioSeconds: 25, Seconds: 2, LoadSeconds: 0);

    private static EpochReport Epoch(int epoch) => new(epoch, 1, 0.1, 50, 50, 20, 0, 0, Seconds: 25, LoadSeconds: 0, EvaluationSeconds: 5, AudioSecondsPerSecond: 4);
}
