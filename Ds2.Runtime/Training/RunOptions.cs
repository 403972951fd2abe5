using System.Text.Json.Nodes;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Options;

namespace Ds2.Runtime.Training;

/// <summary>An option that is not what it was.</summary>
/// <param name="Option">The option.</param>
/// <param name="Old">Its value before, as JSON.</param>
/// <param name="New">Its value now, as JSON.</param>
public sealed record OptionChange(OptionInfo Option, string Old, string New)
{
    /// <summary>"hidden 192 -> 256".</summary>
    public override string ToString() => $"{Option.Name} {Old} -> {New}";
}

/// <summary>Everything that decides what a training run computes; a preset, a JSON file or <c>--set name=value</c> gives it.</summary>
/// <remarks>To users the options are one flat list of names, whichever part of the program each belongs to.</remarks>
public sealed record RunOptions
{
    /// <summary>What kind of recognizer is trained.</summary>
    public ModelOptions Model { get; init; } = new();

    /// <summary>On what.</summary>
    public DataOptions Data { get; init; } = new();

    /// <summary>How.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>What the presets for one's own speech share: docs/recipe.md says what each option brings.</summary>
    private static RunOptions OwnSpeech => new()
    {
        Model = new() { Features = FeatureKind.Fbank40, PadFrames = 15, Bidirectional = true, RnnBatchNorm = true },
        Data = new() { Batch = 16, Order = BatchOrder.Bucketed, Tempo = 0.1, Warp = 0.1, Formants = 0.12, Noise = 0.25, Reverb = 0.15 },
        Training = new()
        {
            Epochs = 10,
            TargetWer = 0,
            Optimizer = OptimizerKind.Muon,
            Schedule = LearningRateKind.Cosine,
            Lr = 3e-3,
            WarmupSteps = 150,
            Momentum = 0.95,
            WeightDecay = 0.01,
            Dropout = 0.1,
            MaxNorm = 100,
        },
    };

    /// <summary>The presets by name.</summary>
    public static IReadOnlyDictionary<string, RunOptions> Presets { get; } = new Dictionary<string, RunOptions>
    {
        ["mini"] = new()
        {
            Model = new() { Features = FeatureKind.MfccRaw, Hidden = 192, Layers = 2, Bidirectional = true, RnnBatchNorm = true },
            Data = new() { Order = BatchOrder.Sortagrad, TimeMasks = 2, TimeMaskWidth = 15, RowMasks = 1 },
            Training = new() { Epochs = 60, TargetWer = 5, Optimizer = OptimizerKind.AdamW, Lr = 1e-3, Anneal = 1.05, WeightDecay = 0.01, MaxNorm = 100 },
        },
        ["cpu"] = OwnSpeech with
        {
            Model = OwnSpeech.Model with { Hidden = 320, Layers = 3 },
            Data = OwnSpeech.Data with { Batch = 8 },
            Training = OwnSpeech.Training with { Lr = 2e-3, WarmupSteps = 300 },
        },
        ["gpu"] = OwnSpeech with { Model = OwnSpeech.Model with { Hidden = 768, Layers = 4 }, Training = OwnSpeech.Training with { Lr = 2e-3 } },
        ["mlperf"] = new(),
        ["ds2"] = new() { Model = new() { Layers = 5, Bidirectional = true } },
    };

    /// <summary>All options.</summary>
    public static IReadOnlyList<OptionInfo> All { get; } =
        [.. OptionInfo.Of<ModelOptions>(), .. OptionInfo.Of<DataOptions>(), .. OptionInfo.Of<TrainingOptions>()];

    /// <summary>Reads options from a JSON object; what it does not name keeps the value it has in <paramref name="basis"/>.</summary>
    /// <exception cref="InputException">The text is no JSON object, or an option is unknown or malformed.</exception>
    public static RunOptions Parse(string json, string source, RunOptions basis)
    {
        RunOptions options = basis;
        foreach ((string name, JsonNode? value) in OptionsJson.Parse(json, source))
            options = options.With(name, value, source);
        return options;
    }

    /// <summary>A copy with one option changed, from its text: <c>--set hidden=512</c>.</summary>
    /// <exception cref="InputException">The option is unknown or the value does not fit it.</exception>
    public RunOptions With(string name, string value) => With(name, OptionsJson.ParseValue(value), "--set");

    /// <summary>The options as an indented JSON object.</summary>
    public string ToJson()
    {
        var all = new JsonObject();
        foreach (OptionInfo option in All)
            all[option.Name] = option.ValueIn(PartOf(option));
        return OptionsJson.Text(all);
    }

    /// <summary>An option's value, as JSON.</summary>
    public string ValueOf(OptionInfo option)
    {
        ArgumentNullException.ThrowIfNull(option);
        return option.ValueIn(PartOf(option))?.ToJsonString() ?? "null";
    }

    /// <summary>What is different in other options.</summary>
    public IReadOnlyList<OptionChange> ChangesTo(RunOptions other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return [.. All.Select(option => new OptionChange(option, ValueOf(option), other.ValueOf(option))).Where(change => change.Old != change.New)];
    }

    private static bool Has<T>(string name) => OptionInfo.Of<T>().Any(option => option.Name == name);

    private object PartOf(OptionInfo option) => Has<ModelOptions>(option.Name) ? Model : Has<DataOptions>(option.Name) ? Data : Training;

    private RunOptions With(string name, JsonNode? value, string source)
    {
        OptionInfo option = All.FirstOrDefault(known => known.Name == name) ?? throw Unknown(name, source);
        return PartOf(option) switch
        {
            ModelOptions model => this with { Model = OptionsJson.With(model, option, value, source) },
            DataOptions data => this with { Data = OptionsJson.With(data, option, value, source) },
            _ => this with { Training = OptionsJson.With(Training, option, value, source) },
        };
    }

    /// <summary>A misspelt name gets the one that takes the fewest changes, capitals apart.</summary>
    private static InputException Unknown(string name, string source)
    {
        string nearest = All.Select(option => option.Name)
            .MinBy(known => ErrorRates.Distance<char>(known.ToUpperInvariant(), name.ToUpperInvariant()))!;
        string meant = ErrorRates.Distance<char>(nearest.ToUpperInvariant(), name.ToUpperInvariant()) <= Math.Max(2, nearest.Length / 3) ? $"; did you mean '{nearest}'?" : "";
        return new InputException($"{source}: unknown parameter '{name}'{meant} (train --list-parameters shows all)");
    }
}
