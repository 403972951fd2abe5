using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting.MlPerf;

/// <summary><c>mlperf.log</c>: the run's events as MLPerf logs them, lines <c>:::MLLOG {json}</c>.</summary>
/// <remarks>
/// The format is that of github.com/mlcommons/logging. Epochs count from 1; <c>eval_accuracy</c> is the corpus word error rate in percent, as the
/// benchmark states its target: the one that decides whether that is reached. A run that goes on from a checkpoint appends its own init_start to run_stop: the log shows the interruption.
/// </remarks>
internal sealed class MlPerfLog : IRunReporter
{
    public const string FileName = "mlperf.log";

    /// <summary>Set to 1 by a script that has emptied the system's page cache before the run.</summary>
    public const string CacheCleared = "DS2_CACHE_CLEARED";

    // As MLPerf's submitters name them.
    private const string Organisation = "MLPERF_SUBMISSION_ORG";
    private const string Platform = "MLPERF_SUBMISSION_PLATFORM";

    private const string Point = "POINT_IN_TIME";
    private const string Begin = "INTERVAL_START";
    private const string Finish = "INTERVAL_END";

    private AppendedFile? log;
    private bool running;
    private bool beamDecides;

    public void Start(RunSetup run)
    {
        beamDecides = run.BeamDecides;
        FileMode mode = run.Resume is null ? FileMode.Create : FileMode.Append;
        log = new AppendedFile(() => new FileStream(run.PathOf(FileName), mode, FileAccess.Write, FileShare.Read, bufferSize: 0));
        using var process = Process.GetCurrentProcess();
        DateTimeOffset start = process.StartTime;
        Log(Point, "cache_clear", Environment.GetEnvironmentVariable(CacheCleared) == "1", time: start);
        Log(Begin, "init_start", time: start);
        Log(Point, "submission_benchmark", "speech_recognition");
        Log(Point, "submission_division", IsTheBenchmark(run) ? "closed" : "open");
        Log(Point, "submission_org", Named(Organisation) is { Length: > 0 } name ? name : "unknown");
        Log(Point, "submission_platform", Named(Platform) is { Length: > 0 } platform ? platform : run.Model.Engine.Name);
        Log(Point, "submission_status", "research");
        LogOptions(run.Options);
        Log(Point, "train_samples", run.Training.Utterances.Count);
        Log(Point, "eval_samples", run.Validation.Utterances.Count);
        Log(Finish, "init_stop");
        Log(Begin, "run_start");
        running = true;
    }

    public void OnEpochStart(int epoch, int batch) => LogEpoch(Begin, "epoch_start", epoch);

    public void OnEvaluationStart(int epoch)
    {
        LogEpoch(Finish, "epoch_stop", epoch);
        LogEpoch(Begin, "eval_start", epoch);
    }

    public void OnEpoch(EpochReport report, EvaluationResult evaluation)
    {
        LogEpoch(Point, "eval_accuracy", report.Epoch, beamDecides ? report.BeamWer ?? report.Wer : report.Wer);
        LogEpoch(Finish, "eval_stop", report.Epoch);
    }

    public void End(TrainingResult result) => Stop(result.TargetReached);

    /// <summary>A run that ends in an exception is aborted.</summary>
    public void Dispose()
    {
        Stop(success: false);
        log?.Dispose();
    }

    /// <summary>Whether a run is the benchmark's own, all of it in this log's part: its model, labels, data and recipe with any seed, whole epochs, from the start; greedy decoding decides.</summary>
    internal static bool IsTheBenchmark(RunSetup run) =>
        run.Options with { Training = run.Options.Training with { Seed = 1 } } == RunOptions.Presets["mlperf"] && run.Alphabet.Equals(Alphabet.English) && !run.BeamDecides
        && run.MaxBatches is null && run.Resume is null && run.Initial is null;

    private static string Named(string variable) => Environment.GetEnvironmentVariable(variable) is { } value && !string.IsNullOrWhiteSpace(value) ? value : "";

    private void LogOptions(RunOptions options)
    {
        Log(Point, "seed", options.Training.Seed);
        // Batches by frames have no one size, and a wrong one would be worse than none.
        if (options.Data.BatchFrames == 0)
            Log(Point, "global_batch_size", options.Data.Batch * options.Data.Accumulate);
        Log(Point, "gradient_accumulation_steps", options.Data.Accumulate);
        Log(Point, "opt_name", OptimizerName(options.Training.Optimizer));
        Log(Point, "opt_base_learning_rate", options.Training.Lr);
        Log(Point, "opt_learning_rate_decay_factor", 1 / options.Training.Anneal);
        if (options.Training.Optimizer == OptimizerKind.Sgd)
            Log(Point, "sgd_opt_momentum", options.Training.Momentum);
        Log(Point, "opt_weight_decay", options.Training.WeightDecay);
        Log(Point, "opt_gradient_clip_norm", options.Training.MaxNorm);
        Log(Point, "data_spec_augment_freq_n", options.Data.RowMasks);
        Log(Point, "data_spec_augment_time_n", options.Data.TimeMasks);
        if (options.Data.MaxSeconds > 0)
            Log(Point, "data_train_max_duration", options.Data.MaxSeconds);
    }

    private static string OptimizerName(OptimizerKind kind) => kind switch
    {
        OptimizerKind.Sgd => "sgd",
        OptimizerKind.Muon => "muon",
        _ => "adamw",
    };

    private void Stop(bool success)
    {
        if (running)
            Log(Finish, "run_stop", metadata: [("status", success ? "success" : "aborted")]);
        running = false;
    }

    private void LogEpoch(string type, string key, int epoch, object? value = null, [CallerLineNumber] int line = 0) =>
        Log(type, key, value, [("epoch_num", epoch + 1)], line: line);

    private void Log(
        string type, string key, object? value = null, IEnumerable<(string Key, object Value)>? metadata = null, DateTimeOffset? time = null,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var details = new Dictionary<string, object> { ["file"] = Path.GetFileName(file), ["lineno"] = line };
        foreach ((string name, object detail) in metadata ?? [])
            details[name] = detail;
        var entry = new Dictionary<string, object?>
        {
            ["namespace"] = "",
            ["time_ms"] = (time ?? DateTimeOffset.UtcNow).ToUnixTimeMilliseconds(),
            ["event_type"] = type,
            ["key"] = key,
            ["value"] = value,
            ["metadata"] = details,
        };
        log!.Write(Encoding.UTF8.GetBytes($":::MLLOG {JsonSerializer.Serialize(entry)}\n"));
    }
}
