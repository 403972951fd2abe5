using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Training;

/// <summary>The update rules.</summary>
public enum OptimizerKind
{
    /// <summary>Stochastic gradient descent with Nesterov momentum.</summary>
    Sgd,

    /// <summary>Adam with decoupled weight decay.</summary>
    [JsonStringEnumMemberName("adamw")]
    AdamW,
}

/// <summary>What a run does about a batch whose loss or gradient is NaN or infinite. In neither case has the batch changed anything.</summary>
public enum NonFinitePolicy
{
    /// <summary>Ends, with a checkpoint that stands before the batch. In fp32, with features that are known to be finite, such a batch is the mark of a run
    /// that diverges or of a fault, and neither goes away by training on.</summary>
    Stop,

    /// <summary>Leaves the batch out, reports and counts it, and goes on; ends only after an epoch of nothing else.</summary>
    Skip,
}

/// <summary>Everything that decides what a training run computes; a preset, a JSON file or <c>--set name=value</c> gives it.</summary>
public sealed record RunOptions
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    /// <summary>What the model hears: <c>mfcc</c>, <c>mfcc-raw</c> or <c>spectrogram</c>.</summary>
    public FeatureKind Features { get; init; } = FeatureKind.Mfcc;

    /// <summary>Channels of both convolutions.</summary>
    public int Channels { get; init; } = 32;

    /// <summary>Hidden units of each GRU direction.</summary>
    public int Hidden { get; init; } = 2560;

    /// <summary>GRU layers.</summary>
    public int Layers { get; init; } = 3;

    /// <summary>Whether each GRU runs in both directions, outputs summed.</summary>
    public bool Bidirectional { get; init; }

    /// <summary>Whether the inputs of all GRUs but the first are batch-normalised (BatchRNN).</summary>
    public bool RnnBatchNorm { get; init; }

    /// <summary>How the GRUs' products with their state read the recurrent weights: <c>fp32</c>, or <c>fp16</c>, for which a GPU reads half the bytes.</summary>
    public RecurrentPrecision RecurrentPrecision { get; init; }

    /// <summary>Utterances of a batch.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>A batch has as many utterances as so many frames hold, padding included, and <see cref="Batch"/> does not count; 0 for batches by count.</summary>
    public int BatchFrames { get; init; }

    /// <summary>Longer utterances are not trained on; 0 for no limit.</summary>
    public double MaxSeconds { get; init; }

    /// <summary>The order of batches: <c>sorted</c>, <c>sortagrad</c> or <c>shuffled</c>.</summary>
    public BatchOrder Order { get; init; } = BatchOrder.Sorted;

    /// <summary>Whether training audio gets another tempo (0.85 to 1.15) and level (-6 to +8 dB) in every epoch.</summary>
    public bool Augment { get; init; }

    /// <summary>A folder of WAV and FLAC files that are mixed into training audio; empty for none.</summary>
    public string NoiseFolder { get; init; } = "";

    /// <summary>The share of training utterances that get noise.</summary>
    public double NoiseProbability { get; init; } = 0.4;

    /// <summary>The highest level of noise, in units of the speech's.</summary>
    public double NoiseMax { get; init; } = 0.5;

    /// <summary>SpecAugment: masks over stretches of time in each training utterance; 0 for none.</summary>
    public int TimeMasks { get; init; }

    /// <summary>The widest of them, in frames of 10 ms.</summary>
    public int TimeMaskWidth { get; init; } = 20;

    /// <summary>SpecAugment: masks over bands of feature rows; 0 for none.</summary>
    public int RowMasks { get; init; }

    /// <summary>The widest of them, in rows.</summary>
    public int RowMaskWidth { get; init; } = 2;

    /// <summary>Epochs after which the run ends at the latest.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>The word error rate, in percent, at which the run ends.</summary>
    public double TargetWer { get; init; } = 23.0;

    /// <summary>The update rule: <c>sgd</c> or <c>adamw</c>.</summary>
    public OptimizerKind Optimizer { get; init; } = OptimizerKind.Sgd;

    /// <summary>The first epoch's learning rate.</summary>
    public double Lr { get; init; } = 1e-4;

    /// <summary>The learning rate is divided by this after every epoch.</summary>
    public double Anneal { get; init; } = 1.1;

    /// <summary>Momentum of <c>sgd</c>.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>L2 penalty of <c>sgd</c>, decoupled decay of <c>adamw</c>.</summary>
    public double WeightDecay { get; init; }

    /// <summary>The gradient norm is clipped to this.</summary>
    public double MaxNorm { get; init; } = 400;

    /// <summary>What to do about a batch whose loss or gradient is not finite: <c>stop</c> or <c>skip</c>.</summary>
    public NonFinitePolicy OnNonFinite { get; init; } = NonFinitePolicy.Stop;

    /// <summary>Of initial values and the order of batches.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>The presets by name.</summary>
    public static IReadOnlyDictionary<string, RunOptions> Presets { get; } = new Dictionary<string, RunOptions>
    {
        ["mini"] = new()
        {
            Features = FeatureKind.MfccRaw,
            Hidden = 192,
            Layers = 2,
            Bidirectional = true,
            RnnBatchNorm = true,
            Order = BatchOrder.Sortagrad,
            Epochs = 60,
            Optimizer = OptimizerKind.AdamW,
            Lr = 1e-3,
            Anneal = 1.05,
            WeightDecay = 0.01,
            MaxNorm = 100,
            TimeMasks = 2,
            TimeMaskWidth = 15,
            RowMasks = 1,
        },
        ["mlperf"] = new(),
        ["ds2"] = new() { Layers = 5, Bidirectional = true },
    };

    /// <summary>Every option's name, as <see cref="With(string, string)"/> takes it.</summary>
    public static IReadOnlyList<string> Names => [.. new RunOptions().ToNode().Select(property => property.Key)];

    /// <summary>Reads options from a JSON object; what it does not name keeps the value it has in <paramref name="basis"/>.</summary>
    /// <exception cref="InputException">The text is no JSON object, or an option is unknown or malformed.</exception>
    public static RunOptions Parse(string json, string source, RunOptions basis)
    {
        ArgumentNullException.ThrowIfNull(basis);
        try
        {
            JsonObject changes = JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new InputException($"{source}: expected a JSON object of parameters");
            RunOptions options = basis;
            foreach ((string name, JsonNode? value) in changes)
                options = options.With(name, value?.DeepClone(), source);
            return options.Validated(source);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The second comes from texts that are no Unicode.
            throw new InputException($"{source}: not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>A copy with one option changed, from its text: <c>--set hidden=512</c>.</summary>
    /// <exception cref="InputException">The option is unknown or the value does not fit it.</exception>
    public RunOptions With(string name, string value)
    {
        JsonNode? node;
        try
        {
            node = JsonNode.Parse(value);
        }
        catch (JsonException)
        {
            node = JsonValue.Create(value);
        }

        return With(name, node, "--set").Validated("--set");
    }

    /// <summary>The masks these options put on training features.</summary>
    [JsonIgnore]
    public SpecAugment Augmentation => new(TimeMasks, TimeMaskWidth, RowMasks, RowMaskWidth);

    /// <summary>The changes these options make to training audio; null for none.</summary>
    /// <exception cref="InputException">The noise folder is missing, or a file in it is damaged.</exception>
    public AudioAugment? OpenAudioAugment() => Augment || NoiseFolder.Length > 0
        ? new AudioAugment(Augment, NoiseFolder.Length > 0 ? Ds2.Runtime.Data.Augment.NoiseFolder.Open(NoiseFolder) : null, NoiseProbability, NoiseMax)
        : null;

    /// <summary>The options as an indented JSON object.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>The architecture these options describe.</summary>
    public Architecture ModelFor(int inputRows, int classes) =>
        new(inputRows, Channels, Hidden, Layers, Bidirectional, RnnBatchNorm, classes, RecurrentPrecision);

    private JsonObject ToNode() => (JsonObject)JsonSerializer.SerializeToNode(this, Json)!;

    private RunOptions With(string name, JsonNode? value, string source)
    {
        JsonObject all = ToNode();
        if (!all.ContainsKey(name))
            throw new InputException($"{source}: unknown parameter '{name}'; the parameters are {string.Join(", ", Names)}");
        string text = value?.ToJsonString() ?? "null";
        all[name] = value;
        try
        {
            return all.Deserialize<RunOptions>(Json)!;
        }
        catch (JsonException exception)
        {
            throw new InputException($"{source}: {text} is no value for '{name}' (now {ToNode()[name]!.ToJsonString()})", exception);
        }
    }

    private RunOptions Validated(string source)
    {
        Require(Channels > 0, "channels", "at least 1");
        Require(Hidden > 0, "hidden", "at least 1");
        Require(Layers > 0, "layers", "at least 1");
        Require(Batch > 0, "batch", "at least 1");
        Require(BatchFrames >= 0, "batchFrames", "at least 0");
        Require(MaxSeconds >= 0 && double.IsFinite(MaxSeconds), "maxSeconds", "a number of at least 0");
        Require(NoiseFolder is not null, "noiseFolder", "a folder");
        Require(NoiseProbability is >= 0 and <= 1, "noiseProbability", "from 0 to 1");
        Require(NoiseMax >= 0 && double.IsFinite(NoiseMax), "noiseMax", "a number of at least 0");
        Require(Epochs > 0, "epochs", "at least 1");
        Require(Lr >= 0 && double.IsFinite(Lr), "lr", "a number of at least 0");
        Require(Anneal > 0 && double.IsFinite(Anneal), "anneal", "positive");
        Require(double.IsFinite(TargetWer), "targetWer", "a number");
        Require(Momentum is >= 0 and < 1, "momentum", "from 0 to below 1");
        Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), "weightDecay", "a number of at least 0");
        Require(MaxNorm > 0 && double.IsFinite(MaxNorm), "maxNorm", "positive");
        Require(TimeMasks >= 0, "timeMasks", "at least 0");
        Require(TimeMaskWidth >= 0, "timeMaskWidth", "at least 0");
        Require(RowMasks >= 0, "rowMasks", "at least 0");
        Require(RowMaskWidth >= 0, "rowMaskWidth", "at least 0");
        return this;

        void Require(bool holds, string name, string range)
        {
            if (!holds)
                throw new InputException($"{source}: '{name}' must be {range}");
        }
    }
}
