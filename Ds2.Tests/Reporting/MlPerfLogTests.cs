using System.Text.Json.Nodes;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Data;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Model;
using Ds2.Train.Reporting;
using Ds2.Train.Reporting.MlPerf;

namespace Ds2.Tests.Reporting;

/// <summary>MLPerf's log, held against the rules of its own checker (mlcommons/logging, compliance_checker/1.0.0/common.yaml).</summary>
[NonParallelizable]
public sealed class MlPerfLogTests
{
    private const string Prefix = ":::MLLOG ";

    private static readonly string[] Once =
    [
        "submission_benchmark", "submission_org", "submission_platform", "submission_division", "submission_status", "init_start", "init_stop", "run_start",
        "run_stop", "train_samples", "eval_samples", "cache_clear", "seed", "global_batch_size", "gradient_accumulation_steps", "opt_name",
        "opt_base_learning_rate", "opt_weight_decay", "opt_gradient_clip_norm",
    ];

    private TinyRun run = null!;

    [SetUp]
    public void MakeCorpus() => run = new TinyRun();

    [TearDown]
    public void DeleteCorpus() => run.Dispose();

    [Test]
    public void Lines_HaveTheFormat()
    {
        run.Train("run", "--epochs", "2", "--mlperf-log");
        long earliest = DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds(), last = 0;
        foreach (JsonObject line in Read("run"))
        {
            string key = (string)line["key"]!, text = line.ToJsonString();
            Assert.That(line.Select(field => field.Key), Is.EqualTo(new[] { "namespace", "time_ms", "event_type", "key", "value", "metadata" }), text);
            Assert.That((string?)line["namespace"], Is.Empty, text);
            Assert.That((long)line["time_ms"]!, Is.InRange(earliest, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()), text);
            Assert.That((long)line["time_ms"]!, Is.GreaterThanOrEqualTo(last), text);
            last = (long)line["time_ms"]!;
            string type = key.EndsWith("_start", StringComparison.Ordinal) ? "INTERVAL_START" : key.EndsWith("_stop", StringComparison.Ordinal) ? "INTERVAL_END" : "POINT_IN_TIME";
            Assert.That((string?)line["event_type"], Is.EqualTo(type), text);
            Assert.That(line["value"]?.GetValueKind(), type == "POINT_IN_TIME" ? Is.Not.Null : Is.Null, text);
            Assert.That((string?)line["metadata"]!["file"], Is.EqualTo("MlPerfLog.cs"), text);
            Assert.That((int)line["metadata"]!["lineno"]!, Is.Positive, text);
            if (key.StartsWith("epoch_", StringComparison.Ordinal) || key.StartsWith("eval_", StringComparison.Ordinal) && key != "eval_samples")
                Assert.That((int)line["metadata"]!["epoch_num"]!, Is.InRange(1, 2), text);
        }
    }

    [Test]
    public void Lines_ComeInTheOrder()
    {
        run.Train("run", "--epochs", "2", "--mlperf-log");
        JsonObject[] lines = Read("run");
        string[] keys = [.. lines.Select(line => (string)line["key"]!)];
        int start = Array.IndexOf(keys, "run_start");
        Assert.Multiple(() =>
        {
            Assert.That(Once.Select(key => (key, keys.Count(other => other == key))), Is.EqualTo(Once.Select(key => (key, 1))));
            Assert.That(keys[..2], Is.EqualTo(new[] { "cache_clear", "init_start" }));
            Assert.That(keys[start - 1], Is.EqualTo("init_stop"));
            string[] epoch = ["epoch_start", "epoch_stop", "eval_start", "eval_accuracy", "eval_stop"];
            Assert.That(keys[(start + 1)..], Is.EqualTo(new[] { epoch, epoch, ["run_stop"] }.SelectMany(part => part)));
        });
    }

    [Test]
    public void Values_AreThoseOfTheRun()
    {
        run.Train("run", "--epochs", "1", "--target-wer", "1000", "--seed", "7", "--mlperf-log");
        JsonObject[] lines = Read("run");
        Assert.Multiple(() =>
        {
            Assert.That((string?)Value("submission_benchmark"), Is.EqualTo("speech_recognition"));
            Assert.That((string?)Value("submission_division"), Is.EqualTo("open"));
            Assert.That((int)Value("seed")!, Is.EqualTo(7));
            Assert.That((int)Value("global_batch_size")!, Is.EqualTo(2));
            Assert.That((int)Value("train_samples")!, Is.EqualTo(7));
            Assert.That((double)Value("eval_accuracy")!, Is.EqualTo((double)run.Metrics("run")[^1]["wer"]!));
            Assert.That((bool)Value("cache_clear")!, Is.False);
            Assert.That(Status(), Is.EqualTo("success"));
        });

        JsonNode? Value(string key) => lines.Single(line => (string?)line["key"] == key)["value"];

        string? Status() => (string?)lines[^1]["metadata"]!["status"];
    }

    /// <summary>The learning rate throws the parameters to infinity, and the run ends in an error.</summary>
    [Test]
    public void FailedRun_IsAborted()
    {
        (int code, _) = run.TryTrain("run", "--epochs", "1", "--set", "lr=1e38", "--mlperf-log");
        Assert.That(code, Is.Not.Zero);
        JsonObject last = Read("run")[^1];
        Assert.That((string?)last["key"], Is.EqualTo("run_stop"));
        Assert.That((string?)last["metadata"]!["status"], Is.EqualTo("aborted"));
    }

    [Test]
    public void Division_IsClosed_ForTheWholeBenchmarkAlone()
    {
        using var engine = new HostEngine(threads: 1);
        using var model = new TinyModel(engine);
        RunSetup benchmark = Benchmark(model);
        Assert.Multiple(() =>
        {
            Assert.That(MlPerfLog.IsTheBenchmark(benchmark with { Options = benchmark.Options.With("seed", "7") }), Is.True);
            Assert.That(MlPerfLog.IsTheBenchmark(benchmark with { MaxBatches = 10 }), Is.False);
            Assert.That(MlPerfLog.IsTheBenchmark(benchmark with { Initial = "model.safetensors" }), Is.False);
            Assert.That(MlPerfLog.IsTheBenchmark(benchmark with { BeamDecides = true }), Is.False);
            Assert.That(MlPerfLog.IsTheBenchmark(benchmark with { Alphabet = new Alphabet(Alphabet.English.Labels.Reverse().Prepend("_").SkipLast(1)) }), Is.False, "as many labels");
            foreach (string setting in new[] { "batchFrames=40000", "augment=true", "timeMasks=2", "lr=1e-3", "accumulate=2" })
                Assert.That(MlPerfLog.IsTheBenchmark(benchmark with { Options = benchmark.Options.With(setting.Split('=')[0], setting.Split('=')[1]) }), Is.False, setting);
        });
    }

    /// <summary>The rate beside the status must be the one that the status goes by.</summary>
    [TestCase(false, 50)]
    [TestCase(true, 40)]
    public void EvalAccuracy_IsTheRateThatDecides(bool beamDecides, double expected)
    {
        using var engine = new HostEngine(threads: 1);
        using var model = new TinyModel(engine);
        using (var log = new MlPerfLog())
        {
            log.Start(Benchmark(model) with { BeamDecides = beamDecides });
            log.OnEpoch(
                new EpochReport(0, 1, 0.1, Wer: 50, WerUtterance: 60, Cer: 20, 0, 0, Seconds: 2, LoadSeconds: 0, EvaluationSeconds: 1, AudioSecondsPerSecond: 4, BeamWer: 40, BeamCer: 15),
                new EvaluationResult(new ErrorRates(), [], new LossTotal(), Alphabet.English));
        }

        JsonObject[] lines = Read(".");
        Assert.That((double)lines.Single(line => (string?)line["key"] == "eval_accuracy")["value"]!, Is.EqualTo(expected));
        Assert.That((string?)lines.Single(line => (string?)line["key"] == "submission_division")["value"], Is.EqualTo(beamDecides ? "open" : "closed"));
    }

    [Test]
    public void BatchSize_OfStepsOfSeveralBatches_IsTheSteps()
    {
        run.Train("run", "--epochs", "1", "--set", "accumulate=3", "--mlperf-log");
        JsonObject[] lines = Read("run");
        Assert.That((int)lines.Single(line => (string?)line["key"] == "global_batch_size")["value"]!, Is.EqualTo(6));
        Assert.That((int)lines.Single(line => (string?)line["key"] == "gradient_accumulation_steps")["value"]!, Is.EqualTo(3));
    }

    [Test]
    public void BatchSize_OfBatchesByFrames_IsLeftOut()
    {
        run.Train("run", "--epochs", "1", "--set", "batchFrames=200", "--mlperf-log");
        Assert.That(Read("run").Select(line => (string?)line["key"]), Does.Not.Contain("global_batch_size"));
    }

    [Test]
    public void TargetMissed_IsAborted()
    {
        run.Train("run", "--epochs", "1", "--mlperf-log");
        Assert.That((string?)Read("run")[^1]["metadata"]!["status"], Is.EqualTo("aborted"));
    }

    /// <summary>The whole benchmark, but for the size of its model and its sets.</summary>
    private RunSetup Benchmark(TinyModel model)
    {
        var corpus = Corpus.Load(run.Corpus.Manifest, Alphabet.English);
        return new RunSetup(RunOptions.Presets["mlperf"], model.Model, Alphabet.English, corpus, corpus, run.Corpus.Folder, BatchesPerEpoch: 4, MaxBatches: null, Resume: null);
    }

    private JsonObject[] Read(string folder) =>
    [
        .. File.ReadLines(run[$"{folder}/mlperf.log"]).Select(line =>
        {
            Assert.That(line, Does.StartWith(Prefix));
            return JsonNode.Parse(line[Prefix.Length..])!.AsObject();
        }),
    ];
}
