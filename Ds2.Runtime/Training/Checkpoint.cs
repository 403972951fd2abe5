using System.Text.Json;
using System.Text.Json.Serialization;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Safetensors;

namespace Ds2.Runtime.Training;

/// <summary>A training run in one file: a <see cref="ModelFile"/> with the optimiser's state, the run's options, and its position and history.</summary>
/// <remarks>The optimiser's tensors are <c>optimizer.STATE.PARAMETER</c>; options and position are JSON in the file's metadata.</remarks>
public sealed class Checkpoint : IDisposable
{
    private const string Format = "ds2-checkpoint-3";
    private const string StateKey = "ds2.state";

    // A run whose loss became NaN is saved too.
    private static readonly JsonSerializerOptions StateJson = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private Checkpoint(ModelFile model, RunOptions options, TrainingState state) => (Model, Options, State) = (model, options, state);

    /// <summary>The recognizer in it.</summary>
    public ModelFile Model { get; }

    /// <summary>The file.</summary>
    public string Path => Model.Path;

    /// <summary>The options of the run that wrote it.</summary>
    public RunOptions Options { get; }

    /// <summary>Where that run stood.</summary>
    public TrainingState State { get; }

    /// <summary>Writes a checkpoint; the file is replaced in one step or not at all.</summary>
    public static void Save(string path, ModelDescription description, RunOptions options, TrainingState state, DeepSpeech2 model, Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        ParameterSet parameters = model.Parameters;
        Save(path, description, options, state, model, optimizer.States.SelectMany(kept => parameters.Parameters.Select(
            parameter => SafetensorsEntry.Of(NameOf(kept.Name, parameter), parameters.WindowOf(parameter, kept.State)))));
    }

    /// <summary>Writes a checkpoint, of an optimiser whose state was brought together from several ranks.</summary>
    /// <param name="path">The file.</param>
    /// <param name="description">What the model is.</param>
    /// <param name="options">The run's options.</param>
    /// <param name="state">Where it stands.</param>
    /// <param name="model">The model.</param>
    /// <param name="states">What the optimiser keeps, each laid out as all parameters.</param>
    internal static void Save(
        string path, ModelDescription description, RunOptions options, TrainingState state, DeepSpeech2 model, IReadOnlyList<(string Name, float[] Values)> states) =>
        Save(path, description, options, state, model, states.SelectMany(kept => model.Parameters.Parameters.Select(parameter => SafetensorsEntry.Of<float>(
            NameOf(kept.Name, parameter), [.. Enumerable.Range(0, parameter.Shape.Rank).Select(axis => parameter.Shape[axis])],
            kept.Values.AsMemory(model.Parameters.OffsetOf(parameter), parameter.Shape.Length)))));

    /// <summary>Opens a checkpoint, holds it against its checksum and reads what describes it; tensors are read when they are restored.</summary>
    /// <exception cref="InputException">The file is missing, damaged, or no checkpoint; or its options are not those of its tensors.</exception>
    public static Checkpoint Open(string path)
    {
        ModelFile file = ModelFile.Open(path);
        try
        {
            if (file.Metadata.GetValueOrDefault(ModelFile.FormatKey) is not (Format or ModelFile.CheckpointWithoutModel))
                throw new InputException($"{path}: a model, but no checkpoint of a training run: start one from it with --init");
            RunOptions options = RunOptions.Parse(file.Metadata.GetValueOrDefault(ModelFile.OptionsKey, ""), $"{path}, {ModelFile.OptionsKey}", new RunOptions());
            TrainingState state = JsonSerializer.Deserialize<TrainingState>(file.Metadata.GetValueOrDefault(StateKey, ""), StateJson)
                ?? throw new InputException($"{path}: {StateKey} is empty");
            if (!state.IsValid)
                throw new InputException($"{path}: {StateKey} is damaged: it has a negative position or no history");
            return new Checkpoint(file, options with { Model = file.Description.Options }, state);
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

    /// <summary>Gives a model and its optimiser, which may be one for a share of the parameters, the checkpoint's values.</summary>
    /// <exception cref="InputException">A tensor is missing, has another shape, or is asked for by nobody: the checkpoint is of another model or optimiser.</exception>
    public void Restore(DeepSpeech2 model, Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        Model.Restore(model, optimizer.States.SelectMany(kept => model.Parameters.Parameters.Select(parameter => WantedOf(kept.Name, kept.State, parameter))));

        TensorToRestore WantedOf(string name, Tensor kept, Parameter parameter)
        {
            int offset = model.Parameters.OffsetOf(parameter);
            return new TensorToRestore(NameOf(name, parameter), parameter.Shape, (file, tensor) =>
            {
                foreach ((Stretch own, int stateOffset) in optimizer.OwnOf(new Stretch(offset, parameter.Shape.Length)))
                    file.ReadInto(tensor, own.Offset - offset, kept.Slice(stateOffset, new Shape(own.Length)));
            });
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => Model.Dispose();

    private static string NameOf(string state, Parameter parameter) => $"{ModelFile.OptimizerPrefix}{state}.{parameter.Name}";

    private static void Save(string path, ModelDescription description, RunOptions options, TrainingState state, DeepSpeech2 model, IEnumerable<SafetensorsEntry> optimizer)
    {
        ArgumentNullException.ThrowIfNull(options);
        var metadata = new Dictionary<string, string>
        {
            [ModelFile.FormatKey] = Format,
            [ModelFile.OptionsKey] = options.ToJson(),
            [StateKey] = JsonSerializer.Serialize(state, StateJson),
        };
        ModelFile.Save(path, description, model, metadata, optimizer);
    }
}
