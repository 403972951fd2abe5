using System.Diagnostics;
using System.Runtime.InteropServices;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Distributed;

/// <summary>What a rank computes and sends in <c>scaling</c>: training steps on recordings of noise, all of one length, in four ways, turn by turn.</summary>
internal sealed class ScalingMeasurement : IDisposable
{
    private const double SecondsPerFrame = 0.01;
    private readonly QueuedCommunicator ranks;
    private readonly StepOptions options;
    private readonly string folder = Directory.CreateTempSubdirectory("ds2-scaling-").FullName;
    private readonly HostEngine engine;
    private readonly Trained alone, shared;
    private readonly GradientExchange exchange;
    private readonly Stretch[] owned;
    private readonly IReadOnlyList<Branch>[] branches;

    /// <summary>Takes the memory: two models, one for steps of this rank alone and one for shared ones.</summary>
    /// <param name="options">The model and the batch.</param>
    /// <param name="communicator">The ranks; the caller's.</param>
    public ScalingMeasurement(StepOptions options, ICommunicator communicator)
    {
        this.options = options;
        ranks = new QueuedCommunicator(communicator);
        engine = options.Threads > 0 ? new HostEngine(options.Threads) : new HostEngine();
        Corpus corpus = MakeCorpus();
        alone = new Trained(options, engine, corpus, null);
        shared = new Trained(options, engine, corpus, ranks);
        exchange = new GradientExchange(communicator);
        int length = shared.Model.Parameters.Values.Length, count = communicator.Ranks;
        owned = Stretch.OneAfterTheOther([.. Enumerable.Range(0, count).Select(rank => (int)((rank + 1L) * length / count - (long)rank * length / count))]);
        branches = [.. Enumerable.Range(0, count).Select(rank => new[] { new Branch(rank, 1) })];
    }

    /// <summary>Bytes of parameters, and of the optimiser's state that this rank keeps.</summary>
    public (long Parameters, long OptimizerState) Bytes =>
        (sizeof(float) * (long)shared.Model.Parameters.Values.Length, sizeof(float) * shared.Step.Optimizer.States.Sum(state => (long)state.State.Length));

    /// <summary>Runs each way once, the first one another in every round.</summary>
    /// <param name="round">Counts from 0.</param>
    /// <param name="steps">Steps of each way.</param>
    /// <returns>Seconds of a step, or of an exchange, of the slowest rank: one rank computing alone, all at once each for itself, all together, and the exchange by itself.</returns>
    public ScalingTimes Run(int round, int steps)
    {
        var seconds = new double[4];
        for (int turn = 0; turn < seconds.Length; turn++)
        {
            int way = (turn + round) % seconds.Length;
            ranks.Barrier();
            double own = way switch
            {
                0 => ranks.Rank == 0 ? alone.Run(steps) : 0,
                1 => alone.Run(steps),
                2 => shared.Run(steps),
                _ => Exchange(),
            };
            seconds[way] = ranks.AllGather(MemoryMarshal.AsBytes([own])).Max(message => MemoryMarshal.Read<double>(message));
        }

        return new ScalingTimes(seconds[0], seconds[1], seconds[2], seconds[3]);
    }

    public void Dispose()
    {
        ranks.Dispose();
        alone.Dispose();
        shared.Dispose();
        engine.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private double Exchange()
    {
        long start = Stopwatch.GetTimestamp();
        Memory<float> gradients = shared.Model.Parameters.Gradients.HostMemory!.Value;
        exchange.AddUp(owned, branches, [gradients], gradients);
        exchange.Gather([owned], shared.Model.Parameters.Values.HostMemory!.Value);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>The same on every rank, each in a folder of its own.</summary>
    private Corpus MakeCorpus()
    {
        var random = new Random(1);
        var lines = new List<string>();
        var samples = new float[(int)(options.Frames * SecondsPerFrame * AudioFile.SampleRate)];
        for (int i = 0; i < options.Batch * ranks.Ranks; i++)
        {
            foreach (ref float sample in samples.AsSpan())
                sample = 0.2f * (random.NextSingle() - 0.5f);
            WavWriter.Write(Path.Combine(folder, $"{i}.wav"), samples);
            File.WriteAllText(Path.Combine(folder, $"{i}.txt"), string.Concat(Enumerable.Range(0, options.Labels).Select(_ => (char)random.Next('A', 'Z' + 1))));
            lines.Add($"{i}.wav,{i}.txt");
        }

        string manifest = Path.Combine(folder, "manifest.csv");
        File.WriteAllLines(manifest, lines);
        return Corpus.Load(manifest, Alphabet.English);
    }

    /// <summary>A model and a batch that it is trained with again and again.</summary>
    private sealed class Trained : IDisposable
    {
        private readonly BatchLoader loader;
        private readonly TrainingState state = new();
        private int steps;

        public Trained(StepOptions options, HostEngine engine, Corpus corpus, QueuedCommunicator? ranks)
        {
            RunOptions run = options.Run;
            Model = new DeepSpeech2(run.Model.ArchitectureFor(Alphabet.English), engine, run.Training.Seed);
            loader = new BatchLoader(corpus, new FeatureExtractor(run.Model.Features), options.Batch, BatchOrder.Sorted, run.Training.Seed, workers: 1)
            {
                Accumulate = ranks?.Ranks ?? 1,
                Lane = ranks is null ? Lane.Alone : new Lane(ranks.Rank, ranks.Ranks),
            };
            Step = new BatchStep(run.Training, Model, Alphabet.English.Blank, loader.Accumulate, ranks);
            foreach (BatchSize size in loader.Largest)
                Step.Reserve(size);
            if (Model.OutputFrames(loader.Largest[0].Frames) < options.Labels)
                throw new InputException($"--frames {options.Frames}: too short for --labels {options.Labels}");
        }

        public DeepSpeech2 Model { get; }

        public BatchStep Step { get; }

        /// <summary>Seconds of each of so many steps; one goes before that is not counted.</summary>
        public double Run(int count)
        {
            // A step gives its batch's memory back.
            Batch[] batches = [.. Enumerable.Range(0, count + 1).Select(_ => loader.Epoch(0).First())];
            RunStep(batches[0]);
            long start = Stopwatch.GetTimestamp();
            foreach (Batch batch in batches[1..])
                RunStep(batch);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds / count;
            // New parameters are on their way now, as those of the step before the first were at the start: in a run they come while the next step computes.
            _ = Model.Parameters.Values;
            return seconds;
        }

        public void Dispose()
        {
            loader.Dispose();
            Step.Dispose();
            Model.Dispose();
        }

        private void RunStep(Batch batch)
        {
            Step.Prefetch(batch);
            Step.Queue(batch, ++steps, TrainingStep.LearningRate);
            (StepOutcome outcome, StepLosses losses, double norm) = Step.Finish(state);
            if (outcome != StepOutcome.Learnt)
                throw new InvalidOperationException($"step {steps}: {outcome}, loss {losses.Mean}, gradient norm {norm}: nothing worth timing");
        }
    }
}

/// <summary>Seconds, of the slowest rank.</summary>
/// <param name="Alone">A step of one rank, while the others sleep.</param>
/// <param name="Apart">A step of all ranks at once, each for itself: they share the machine, and exchange nothing.</param>
/// <param name="Together">A step of all ranks with their exchange.</param>
/// <param name="Exchange">The exchange of gradients and parameters by itself.</param>
internal sealed record ScalingTimes(double Alone, double Apart, double Together, double Exchange);
