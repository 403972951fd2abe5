using Ds2.Train.Reporting.Metrics;

namespace Ds2.Train.Reporting.Report;

/// <summary>A stretch of batches: what a plot shows as one point.</summary>
/// <param name="Epoch">Where it ends, in epochs since the run's start.</param>
/// <param name="Loss">The mean of its finite losses; NaN where there is none.</param>
/// <param name="LossPerLabel">Likewise.</param>
/// <param name="GradientNorm">Likewise.</param>
/// <param name="LearningRate">At its end.</param>
/// <param name="AudioSecondsPerSecond">Over all of it.</param>
internal readonly record struct CurvePoint(double Epoch, double Loss, double LossPerLabel, double GradientNorm, double LearningRate, double AudioSecondsPerSecond);

/// <summary>All batches of a run in a bounded number of points, however many there are.</summary>
/// <remarks>Where there are too many points, each two neighbours become one. So memory and the report stay small, and adding a batch costs nothing.</remarks>
internal sealed class BatchCurve
{
    /// <summary>The most points there can be: more than a screen has pixels for.</summary>
    public const int MaxPoints = 1600;

    private readonly List<Stretch> stretches = [];
    private Stretch open;
    private int batchesPerStretch = 1;

    public IEnumerable<CurvePoint> Points => (open.Batches > 0 ? stretches.Append(open) : stretches).Select(stretch => stretch.Point());

    public void Add(BatchMetrics batch)
    {
        open = open.Batches == 0 ? Stretch.Of(batch) : open.Plus(Stretch.Of(batch));
        if (open.Batches < batchesPerStretch)
            return;
        stretches.Add(open);
        open = default;
        if (stretches.Count == MaxPoints)
            Halve();
    }

    private void Halve()
    {
        for (int i = 0; i < stretches.Count / 2; i++)
            stretches[i] = stretches[2 * i].Plus(stretches[2 * i + 1]);
        stretches.RemoveRange(stretches.Count / 2, stretches.Count / 2);
        batchesPerStretch *= 2;
    }

    private readonly record struct Stretch(int Batches, double Epoch, Sum Loss, Sum LossPerLabel, Sum GradientNorm, double LearningRate, double AudioSeconds, double Seconds)
    {
        public static Stretch Of(BatchMetrics batch) => new(
            1, batch.Epoch - 1 + (double)batch.Batch / batch.Batches, Sum.Of(batch.Loss), Sum.Of(batch.LossPerLabel ?? double.NaN), Sum.Of(batch.GradientNorm), batch.LearningRate,
            batch.AudioSeconds, batch.Seconds);

        public Stretch Plus(Stretch next) => new(
            Batches + next.Batches, next.Epoch, Loss.Plus(next.Loss), LossPerLabel.Plus(next.LossPerLabel), GradientNorm.Plus(next.GradientNorm), next.LearningRate,
            AudioSeconds + next.AudioSeconds, Seconds + next.Seconds);

        public CurvePoint Point() => new(Epoch, Loss.Mean, LossPerLabel.Mean, GradientNorm.Mean, LearningRate, AudioSeconds / Seconds);
    }

    /// <summary>A sum of the values that are finite: one that is not would hide its neighbours.</summary>
    private readonly record struct Sum(double Total, int Count)
    {
        public double Mean => Total / Count;

        public static Sum Of(double value) => double.IsFinite(value) ? new(value, 1) : default;

        public Sum Plus(Sum other) => new(Total + other.Total, Count + other.Count);
    }
}
