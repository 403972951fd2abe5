using System.Text.Json;
using System.Text.Json.Serialization;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Safetensors;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Training;

/// <summary>A run's parameters, statistics, optimiser state and position in one safetensors file.</summary>
/// <remarks>Parameters and statistics have their names in PyTorch's state dict; the optimiser's tensors are <c>optimizer.STATE.PARAMETER</c>.
/// Options, position and history are JSON in the file's metadata, and so is the SHA-256 sum of the whole. A file is written beside its target and renamed over it.</remarks>
public sealed class Checkpoint : IDisposable
{
    private const string Format = "ds2-checkpoint-2";
    private const string FormatKey = "ds2.format";
    private const string OptionsKey = "ds2.options";
    private const string StateKey = "ds2.state";

    // A run whose loss became NaN is saved too.
    private static readonly JsonSerializerOptions StateJson = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private readonly SafetensorsFile file;

    private Checkpoint(string path, SafetensorsFile file, RunOptions options, TrainingState state)
    {
        Path = path;
        this.file = file;
        Options = options;
        State = state;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The options of the run that wrote it.</summary>
    public RunOptions Options { get; }

    /// <summary>Where that run stood.</summary>
    public TrainingState State { get; }

    /// <summary>Writes a checkpoint; the file is replaced in one step or not at all.</summary>
    public static void Save(string path, RunOptions options, TrainingState state, DeepSpeech2 model, Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        var metadata = new Dictionary<string, string>
        {
            [FormatKey] = Format,
            [OptionsKey] = options.ToJson(),
            [StateKey] = JsonSerializer.Serialize(state, StateJson),
        };
        SafetensorsFile.Write(path, metadata, [.. Tensors(model.Parameters, optimizer).Select(t => SafetensorsEntry.Of(t.Name, t.Values))], checksum: true);
    }

    /// <summary>Opens a checkpoint, holds it against its checksum and reads what describes it; tensors are read when they are restored.</summary>
    /// <exception cref="InputException">The file is missing, damaged, or no checkpoint; or its options are not those of its tensors.</exception>
    public static Checkpoint Open(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        try
        {
            IReadOnlyDictionary<string, string> metadata = file.Header.Metadata;
            if (metadata.GetValueOrDefault(FormatKey) != Format)
                throw new InputException($"{path}: a safetensors file, but no checkpoint of Ds2 ({FormatKey} is not {Format})");
            file.RequireIntact();
            RunOptions options = RunOptions.Parse(metadata.GetValueOrDefault(OptionsKey, ""), $"{path}, {OptionsKey}", new RunOptions());
            TrainingState state = JsonSerializer.Deserialize<TrainingState>(metadata.GetValueOrDefault(StateKey, ""), StateJson)
                ?? throw new InputException($"{path}: {StateKey} is empty");
            if (!state.IsValid)
                throw new InputException($"{path}: {StateKey} is damaged: it has a negative position or no history");
            RequireSizes(path, file.Header, options);
            return new Checkpoint(path, file, options, state);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            file.Dispose();
            throw new InputException($"{path}: {StateKey} is malformed: {exception.Message}", exception);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The model of the checkpoint, with its parameters, for evaluation.</summary>
    /// <exception cref="InputException">A tensor is missing or has another shape.</exception>
    public DeepSpeech2 RestoreModel(IEngine engine)
    {
        var model = new DeepSpeech2(Options.ModelFor(new FeatureExtractor(Options.Features).Rows, Alphabet.English.Size), engine, Options.Seed);
        try
        {
            Restore(Tensors(model.Parameters, optimizer: null));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Gives a model and its optimiser the checkpoint's values.</summary>
    /// <exception cref="InputException">A tensor is missing or has another shape: the checkpoint is of another model or optimiser.</exception>
    public void Restore(DeepSpeech2 model, Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        Restore(Tensors(model.Parameters, optimizer));
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => file.Dispose();

    /// <summary>Holds the sizes that decide about memory against the file's own tensors: a damaged number must not become a model of gigabytes.</summary>
    private static void RequireSizes(string path, SafetensorsHeader header, RunOptions options)
    {
        Require("conv.0.weight", shape => shape.Count == 4 && shape[0] == options.Channels);
        Require($"rnns.{options.Layers - 1}.rnn.weight_hh_l0", shape => shape.Count == 2 && shape[1] == options.Hidden);

        void Require(string name, Func<IReadOnlyList<int>, bool> fits)
        {
            if (!header.Tensors.Any(tensor => tensor.Name == name && fits(tensor.Shape)))
                throw new InputException(
                    $"{path}: '{name}' is missing or not that of channels={options.Channels}, hidden={options.Hidden}, layers={options.Layers}: damaged, or of another model");
        }
    }

    private static IEnumerable<(string Name, Tensor Values)> Tensors(ParameterSet parameters, Optimizer? optimizer)
    {
        foreach (Parameter parameter in parameters.Parameters)
            yield return (parameter.Name, parameter.Values);
        foreach ((string name, Tensor values) in parameters.Statistics)
            yield return (name, values);
        foreach ((string name, Tensor state) in optimizer?.States ?? [])
            foreach (Parameter parameter in parameters.Parameters)
                yield return ($"optimizer.{name}.{parameter.Name}", parameters.WindowOf(parameter, state));
    }

    private void Restore(IEnumerable<(string Name, Tensor Values)> tensors)
    {
        var stored = file.Header.Tensors.ToDictionary(tensor => tensor.Name);
        foreach ((string name, Tensor values) in tensors)
        {
            if (!stored.TryGetValue(name, out SafetensorsTensor? tensor))
                throw new InputException($"{Path}: has no tensor '{name}': the checkpoint is of another model");
            // As text, as the file's shape may be none that a Shape can hold.
            string shape = $"[{string.Join(", ", tensor.Shape)}]";
            if (shape != values.Shape.ToString())
                throw new InputException($"{Path}: '{name}' is {shape}, the model has {values.Shape}: the checkpoint is of another model");
            file.ReadInto(name, values);
        }
    }
}
