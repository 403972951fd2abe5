using System.Diagnostics;
using Ds2.Bench.Step;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Bench.Peers;

/// <summary>A training step in both libraries.</summary>
/// <param name="Ds2">Ours.</param>
/// <param name="Libtorch">libtorch's.</param>
/// <param name="LossDifference">The largest difference of the steps' losses, relative.</param>
/// <param name="GradientDifference">The difference of the first step's gradients, all parameters together, relative to their norm.</param>
internal sealed record StepPair(StepResult Ds2, StepResult Libtorch, double LossDifference, double GradientDifference)
{
    private const double WrongResult = 1e-3;

    /// <summary>Our median over libtorch's.</summary>
    public double Ratio => Ds2.MedianSeconds / Libtorch.MedianSeconds;

    /// <summary>Times both in turns, after a step of each to warm up.</summary>
    /// <param name="options">The step.</param>
    /// <param name="engine">Ours.</param>
    /// <param name="budget">Seconds after which no further turn begins; there is one at least.</param>
    /// <param name="progress">Told after each turn.</param>
    /// <exception cref="InvalidOperationException">Losses or gradients differ by more than rounding.</exception>
    public static StepPair Measure(StepOptions options, IEngine engine, double budget, Action<string> progress)
    {
        using var ours = new TrainingStep(options, engine);
        KeepFromKinks(ours.Model);
        using var theirs = new TorchStep(options, ours);
        List<Timing> ourTimes = [], theirTimes = [];
        double lossDifference = 0, gradientDifference = 0;
        long start = Stopwatch.GetTimestamp();
        for (int turn = 0; turn <= options.Steps && (turn <= 1 || Stopwatch.GetElapsedTime(start).TotalSeconds < budget); turn++)
        {
            Timing our = Time(engine, lap => ours.Run(turn + 1, lap)), their = Time(null, theirs.Run);
            progress($"{(turn == 0 ? "warm-up" : $"step {turn}")}: {our.Laps.Sum():F3} s, libtorch {their.Laps.Sum():F3} s");
            lossDifference = Math.Max(lossDifference, Checked("losses", Math.Abs(ours.LastLoss - theirs.LastLoss) / theirs.LastLoss));
            if (turn == 0)
            {
                gradientDifference = Checked("gradients", theirs.GradientDifference(ours.Model.Parameters));
                continue;
            }

            ourTimes.Add(our);
            theirTimes.Add(their);
        }

        long parameters = ours.Model.Parameters.Count;
        return new StepPair(Result(options, ourTimes, parameters), Result(options, theirTimes, parameters), lossDifference, gradientDifference);
    }

    /// <summary>libtorch's step alone: what its memory comes to.</summary>
    public static StepResult MeasureLibtorch(StepOptions options, IEngine engine, Action<string> progress)
    {
        using TorchStep theirs = Start(options, engine, out long parameters);
        GC.Collect(); // of what the parameters passed through
        var times = new List<Timing>();
        for (int turn = 0; turn <= options.Steps; turn++)
        {
            Timing their = Time(null, theirs.Run);
            progress($"{(turn == 0 ? "warm-up" : $"step {turn}")}: libtorch {their.Laps.Sum():F3} s");
            if (turn > 0)
                times.Add(their);
        }

        return Result(options, times, parameters);
    }

    /// <summary>Lines for people.</summary>
    public string ToText()
    {
        return string.Join(Environment.NewLine, [
            MarkdownTable.Of([
                ["step, ms", "ds2", "libtorch", "ratio"],
                Row("all", Ds2.MedianSeconds, Libtorch.MedianSeconds),
                Row("forward", Ds2.ForwardSeconds, Libtorch.ForwardSeconds),
                Row("loss", Ds2.LossSeconds, Libtorch.LossSeconds),
                Row("backward", Ds2.BackwardSeconds, Libtorch.BackwardSeconds),
                Row("update", Ds2.UpdateSeconds, Libtorch.UpdateSeconds),
            ]),
            $"{Ds2.Parameters:N0} parameters; losses within {LossDifference:E1}, gradients within {GradientDifference:E1}; "
            + $"{Ds2.AudioSecondsPerSecond:F1} and {Libtorch.AudioSecondsPerSecond:F1} seconds of speech a second",
        ]);

        static string[] Row(string name, double ours, double theirs) => [name, $"{ours * 1e3:F1}", $"{theirs * 1e3:F1}", $"{ours / theirs:F2}"];
    }

    private static TorchStep Start(StepOptions options, IEngine engine, out long parameters)
    {
        using var ours = new TrainingStep(options, engine);
        parameters = ours.Model.Parameters.Count;
        return new TorchStep(options, ours);
    }

    /// <summary>
    /// At a kink of Hardtanh the last bit of a sum decides between a gradient and none: some of millions of elements lie there. A mean of 8 keeps all of them
    /// eight deviations away, so that gradients can be compared.
    /// </summary>
    internal static void KeepFromKinks(DeepSpeech2 model)
    {
        foreach (Parameter bias in model.Parameters.Parameters.Where(parameter => parameter.Name is "conv.1.bias" or "conv.4.bias"))
            bias.Values.Fill(8);
    }

    private static Timing Time(IEngine? engine, Action<Action> run)
    {
        long before = GC.GetTotalAllocatedBytes(precise: true);
        var clock = new PhaseClock(engine);
        run(clock.Lap);
        return new Timing(clock.Laps, GC.GetTotalAllocatedBytes(precise: true) - before);
    }

    private static StepResult Result(StepOptions options, List<Timing> times, long parameters) =>
        StepResult.From([.. times.Select(time => time.Laps)], parameters, options.AudioSeconds, (long)times.Average(time => time.AllocatedBytes));

    private static double Checked(string name, double difference) => difference <= WrongResult
        ? difference
        : throw new InvalidOperationException($"the {name} of a step differ from libtorch's by {difference:E1} of their size");

    private readonly record struct Timing(double[] Laps, long AllocatedBytes);
}
