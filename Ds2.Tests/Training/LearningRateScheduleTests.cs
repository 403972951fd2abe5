using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

public sealed class LearningRateScheduleTests
{
    [Test]
    public void Rate_RisesOverTheWarmUpAndIsAnnealedByEpoch()
    {
        var schedule = new LearningRateSchedule(new TrainingOptions { Lr = 0.8, Anneal = 2, WarmupSteps = 4 }, 100);
        Assert.That(Enumerable.Range(0, 6).Select(step => schedule.Rate(0, step, step)), Is.EqualTo(new[] { 0.2, 0.4, 0.6, 0.8, 0.8, 0.8 }).Within(1e-15));
        Assert.That(schedule.Rate(1, 0, 2), Is.EqualTo(0.3).Within(1e-15), "the warm-up goes by steps of the run, whatever the length of its epochs");
        Assert.That(schedule.Rate(3, 0, 100), Is.EqualTo(0.1).Within(1e-15));
    }

    [Test]
    public void Rate_WithoutWarmUp_IsTheOneOfItsEpoch()
    {
        var schedule = new LearningRateSchedule(new TrainingOptions { Lr = 0.8, Anneal = 2 }, 100);
        Assert.That((schedule.Rate(0, 0, 0), schedule.Rate(1, 0, 0), schedule.Rate(2, 9, 9)), Is.EqualTo((0.8, 0.4, 0.2)));
    }

    [Test]
    public void Rate_OfCosineAndLine_FallsToZeroOverTheRun()
    {
        var options = new TrainingOptions { Lr = 0.8, Epochs = 4, Anneal = 2, Schedule = LearningRateKind.Cosine };
        var cosine = new LearningRateSchedule(options, 10);
        var line = new LearningRateSchedule(options with { Schedule = LearningRateKind.Linear, WarmupSteps = 10 }, 10);
        Assert.That(new[] { cosine.Rate(0, 0, 0), cosine.Rate(1, 0, 10), cosine.Rate(2, 0, 20), cosine.Rate(3, 5, 35), cosine.Rate(3, 10, 40), cosine.Rate(9, 0, 90) },
            Is.EqualTo(new[] { 0.8, 0.4 + 0.4 * Math.Sqrt(0.5), 0.4, 0.4 * (1 + Math.Cos(Math.PI * 0.875)), 0, 0 }).Within(1e-15));
        Assert.That(new[] { line.Rate(0, 0, 0), line.Rate(0, 9, 9), line.Rate(2, 0, 20), line.Rate(3, 9, 39) }, Is.EqualTo(new[] { 0.08, 0.8 * 31 / 40, 0.4, 0.02 }).Within(1e-15));
    }

    /// <summary>The rates that a run uses are the schedule's, and a warm-up goes on where it was.</summary>
    [Test]
    public void Run_WarmsUp_AlsoAcrossAnInterruption()
    {
        using var corpus = new TinyCorpus();
        using var runs = new TrainingRuns(corpus);
        RunOptions options = TrainingRuns.Tiny with { Training = TrainingRuns.Tiny.Training with { Epochs = 1, Lr = 0.1, WarmupSteps = 5 } };
        using var before = new RecordingObserver(stopAfter: 3);
        string latest = runs.Run(options, corpus.PathOf("run"), before, stop: before.Stop).Checkpoint;
        using var after = new RecordingObserver();
        runs.Run(options, corpus.PathOf("run"), after, latest);
        Assert.That(
            before.Batches.Concat(after.Batches).Select(batch => batch.LearningRate), Is.EqualTo(new[] { 0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1 }).Within(1e-15));
    }
}
