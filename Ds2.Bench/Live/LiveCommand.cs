using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Runtime.Text;

namespace Ds2.Bench.Live;

/// <summary><c>live</c>: live streams through one model, as fast as their sound comes: how many a machine serves, and how late their text is.</summary>
/// <remarks>
/// Every stream's pieces of sound arrive by the clock, each stream's at another moment within a piece. The machine hears whatever has arrived, all streams at once, and begins again.
/// A piece's latency is the time from its last sample's arrival to when the text that it adds to is known; what the model looks ahead comes on top and is stated apart.
/// Streams run in real time where the machine idles between two turns and latencies do not grow.
/// </remarks>
internal static class LiveCommand
{
    private const double WarmupSeconds = 2;

    public static Command Create()
    {
        (Option<string> preset, Option<string[]> set) = ModelArguments.Create("mini");
        var checkpoint = new Option<string?>("--checkpoint") { Description = "a model of one direction, normalized by the corpus, in place of a random one" };
        var streams = new Option<int[]>("--streams") { Description = "streams at once; several numbers for several runs", DefaultValueFactory = _ => [1], AllowMultipleArgumentsPerToken = true }.AtLeastOne();
        var piece = new Option<int>("--piece") { Description = "milliseconds of sound in a piece", DefaultValueFactory = _ => 100 };
        var seconds = new Option<int>("--seconds") { Description = "seconds of sound of each stream that are measured", DefaultValueFactory = _ => 10 };
        var threads = new Option<int>("--threads") { Description = "threads of the host engine; 0 for one per core" };
        Option<DeviceChoice> device = DeviceOption.Create(DeviceKind.Host);
        var command = new Command("live", "How many live streams run in real time, and how late their text is.") { preset, set, checkpoint, streams, piece, seconds, threads, device };
        command.SetAction(parsed =>
        {
            using IEngine engine = DeviceOption.Engine(parsed.GetValue(device), parsed.GetValue(threads));
            (DeepSpeech2 model, ModelDescription description) = parsed.GetValue(checkpoint) is string path
                ? Load(path, engine) : Random(ModelArguments.Read(parsed, preset, set).Model, engine);
            using (model)
            {
                using var streaming = new StreamingModel(model, description);
                Console.WriteLine($"{model.Parameters.Count / 1e6:F1} million parameters on {engine.Name}; pieces of {parsed.GetValue(piece)} ms; the model looks {1000 * streaming.Lookahead:F0} ms ahead");
                List<string[]> rows = [["streams", "real time", "busy", "p50 ms", "p95 ms", "p99 ms", "worst ms", "KB of garbage a turn"]];
                foreach (int count in parsed.GetRequiredValue(streams))
                {
                    LiveFigures figures = Measure(streaming, count, AtLeastOne(parsed.GetValue(piece), "--piece"), AtLeastOne(parsed.GetValue(seconds), "--seconds"));
                    rows.Add([
                        count.ToString(CultureInfo.InvariantCulture), figures.KeepsUp ? "yes" : "no", $"{100 * figures.Busy:F0} %", Late(0.5), Late(0.95), Late(0.99), Late(1),
                        $"{figures.GarbageATurn / 1024:F0}"]);

                    // No piece may have ended, where they are long or a turn takes longer than what is measured.
                    string Late(double fraction) => figures.Percentile(fraction) is var milliseconds && double.IsNaN(milliseconds) ? "-" : $"{milliseconds:F0}";
                }

                Console.WriteLine(MarkdownTable.Of(rows));
            }
        });
        return command;
    }

    private static int AtLeastOne(int value, string name) => value >= 1 ? value : throw new InputException($"{name} {value}: must be at least 1");

    private static (DeepSpeech2, ModelDescription) Load(string path, IEngine engine)
    {
        using ModelFile file = ModelFile.Open(path);
        return (file.Load(engine), file.Description);
    }

    // Its texts are nonsense; the time is the same.
    private static (DeepSpeech2, ModelDescription) Random(ModelOptions options, IEngine engine)
    {
        int rows = new FeatureExtractor(options.Features).Rows;
        var description = new ModelDescription(
            options with { Bidirectional = false, Normalization = FeatureNormalization.Corpus }, Alphabet.English,
            new RowStatistics(Enumerable.Repeat(0f, rows), Enumerable.Repeat(1f, rows)));
        return (new DeepSpeech2(description.Architecture, engine, seed: 1, trains: false), description);
    }

    private static LiveFigures Measure(StreamingModel model, int count, int pieceMilliseconds, int seconds)
    {
        int pieceSamples = AudioFile.SampleRate * pieceMilliseconds / 1000;
        double piece = pieceMilliseconds / 1000.0, total = WarmupSeconds + seconds;
        var random = new Random(1);
        float[] sound = [.. Enumerable.Range(0, AudioFile.SampleRate).Select(i => 0.2f * (float)Math.Sin(i * 0.1 * (1 + 0.2 * Math.Sin(i / 3000.0))) + 0.02f * random.NextSingle())];
        StreamingRecognizer[] streams = [.. Enumerable.Range(0, count).Select(_ => model.Open())];
        var given = new int[count];
        var arrived = new List<double>();
        var figures = new LiveFigures();
        var clock = Stopwatch.StartNew();
        bool measures = false;
        double busy = 0, since = 0;
        long garbage = 0;
        int turns = 0;
        while (clock.Elapsed.TotalSeconds is double now && now < total)
        {
            if (!measures && now >= WarmupSeconds)
                (measures, since, busy, garbage, turns) = (true, now, 0, GC.GetTotalAllocatedBytes(), 0);
            arrived.Clear();
            for (int i = 0; i < count; i++)
            {
                // Stream i's pieces are complete this much later than stream 0's.
                double offset = piece * i / count;
                int due = (int)Math.Max(0, Math.Floor((now - offset) / piece));
                for (; given[i] < due; given[i]++)
                {
                    int start = given[i] * pieceSamples % sound.Length, first = Math.Min(pieceSamples, sound.Length - start);
                    streams[i].Accept(sound.AsSpan(start, first));
                    streams[i].Accept(sound.AsSpan(0, pieceSamples - first));
                    arrived.Add(offset + (given[i] + 1) * piece);
                }
            }

            if (arrived.Count == 0)
            {
                Thread.Sleep(1);
                continue;
            }

            model.Advance(streams);
            foreach (StreamingRecognizer stream in streams)
                while (stream.TryTake(out _))
                {
                    // Nobody reads them.
                }

            double done = clock.Elapsed.TotalSeconds;
            busy += done - now;
            turns++;
            if (measures)
                figures.Add(arrived, done);
        }

        figures.End(busy / (clock.Elapsed.TotalSeconds - since), (double)(GC.GetTotalAllocatedBytes() - garbage) / Math.Max(1, turns), piece);
        return figures;
    }
}
