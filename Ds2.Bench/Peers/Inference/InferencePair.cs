using System.Diagnostics;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Microsoft.ML.OnnxRuntime;

namespace Ds2.Bench.Peers.Inference;

/// <summary>What a batch takes in both libraries, in seconds, medians.</summary>
/// <param name="Batch">Utterances.</param>
/// <param name="Frames">Feature frames of each.</param>
/// <param name="Ds2Seconds">Ours.</param>
/// <param name="OnnxSeconds">ONNX Runtime's.</param>
/// <param name="Difference">The largest difference of two logits over the largest logit.</param>
internal sealed record InferencePair(int Batch, int Frames, double Ds2Seconds, double OnnxSeconds, double Difference)
{
    private const int WarmingCalls = 3;
    private const double WarmingSeconds = 0.05;

    // A library's idle threads may spin for a while: the other's turn waits for their sleep.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Our time over theirs.</summary>
    public double Ratio => Ds2Seconds / OnnxSeconds;

    /// <summary>Times both in turns, after a call of each whose results are compared.</summary>
    /// <param name="run">The model; random weights and running statistics.</param>
    /// <param name="engine">Ours.</param>
    /// <param name="threads">Threads of ONNX Runtime.</param>
    /// <param name="batch">Utterances.</param>
    /// <param name="frames">Feature frames of each.</param>
    /// <param name="turns">Calls of each.</param>
    /// <param name="tolerance">The largest difference that is rounding.</param>
    /// <exception cref="InvalidOperationException">The results differ by more.</exception>
    public static InferencePair Measure(Ds2.Runtime.Training.RunOptions run, IEngine engine, int threads, int batch, int frames, int turns, double tolerance)
    {
        using var model = new DeepSpeech2(run.Model.ArchitectureFor(Alphabet.English), engine, run.Training.Seed, trains: false);
        var random = new Random(1);
        foreach ((string name, Tensor statistic) in model.Parameters.Statistics)
        {
            float least = name.EndsWith("running_var", StringComparison.Ordinal) ? 0.5f : -0.5f;
            statistic.CopyFrom([.. Enumerable.Range(0, statistic.Length).Select(_ => least + random.NextSingle())]);
        }

        int rows = new FeatureExtractor(run.Model.Features).Rows;
        float[] values = [.. Enumerable.Range(0, batch * rows * frames).Select(_ => 2 * random.NextSingle() - 1)];
        using Tensor features = engine.Allocate(new Shape(batch, 1, rows, frames));
        features.CopyFrom(values);
        int[] counts = [.. Enumerable.Repeat(frames, batch)];
        using ModelPass pass = model.NewPass();
        Tensor? logits = null;

        using var options = new SessionOptions { IntraOpNumThreads = threads, InterOpNumThreads = 1, GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL };
        options.AddSessionConfigEntry("session.force_spinning_stop", "1"); // between its calls its threads are not to take our cores
        using var session = new InferenceSession(OnnxModel.From(model, batch, frames), options);
        using var runOptions = new RunOptions();
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(values, [batch, 1, rows, frames]);
        Ours();
        double difference = LargestDifference(logits!.ToArray(), Theirs(keep: true));
        if (!(difference <= tolerance))
            throw new InvalidOperationException($"the logits of {batch} x {frames} frames differ from ONNX Runtime's by {difference:E1} of the largest");
        for (int call = 0; call < WarmingCalls; call++)
            Ours(); // until the JIT has compiled all of it for good
        List<double> ours = [], theirs = [];
        for (int turn = 0; turn < turns; turn++)
        {
            ours.Add(Time(Ours));
            theirs.Add(Time(() => Theirs(keep: false)));
        }

        return new InferencePair(batch, frames, ours.Median(), theirs.Median(), difference);

        void Ours() => logits = pass.Forward(features, counts, training: false).Values;

        float[] Theirs(bool keep)
        {
            using IDisposableReadOnlyCollection<OrtValue> outputs = session.Run(runOptions, [OnnxModel.Input], [input], [OnnxModel.Output]);
            return keep ? outputs[0].GetTensorDataAsSpan<float>().ToArray() : [];
        }
    }

    private static double Time(Action call)
    {
        Thread.Sleep(Pause);
        long start = Stopwatch.GetTimestamp();
        do
            call(); // caches warm, threads awake
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < WarmingSeconds);
        start = Stopwatch.GetTimestamp();
        call();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double LargestDifference(float[] ours, float[] theirs)
    {
        double largest = theirs.Max(Math.Abs);
        return ours.Zip(theirs, (a, b) => Math.Abs((double)a - b)).Max() / largest;
    }
}
