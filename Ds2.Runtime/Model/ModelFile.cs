using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Options;
using Ds2.Runtime.Safetensors;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Model;

/// <summary>A recognizer in a safetensors file: its description, its parameters and its running statistics.</summary>
/// <remarks>
/// Tensors have their names in PyTorch's state dict. The description is JSON in the file's metadata, and so is the SHA-256 sum of the whole. A training run's checkpoint
/// is such a file with more in it, and is read here as the recognizer that it holds.
/// </remarks>
public sealed class ModelFile : IDisposable
{
    /// <summary>The prefix of tensors that belong to a training run.</summary>
    internal const string OptimizerPrefix = "optimizer.";

    /// <summary>The format of checkpoints that had the model's options among those of the run, and an English alphabet.</summary>
    internal const string CheckpointWithoutModel = "ds2-checkpoint-2";

    internal const string FormatKey = "ds2.format";
    internal const string OptionsKey = "ds2.options";
    private const string Format = "ds2-model-1";
    private const string ModelKey = "ds2.model";

    private readonly SafetensorsFile file;

    private ModelFile(string path, SafetensorsFile file, ModelDescription description) => (Path, this.file, Description) = (path, file, description);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What the recognizer is.</summary>
    public ModelDescription Description { get; }

    /// <summary>The file's free text entries, those of a training run among them.</summary>
    internal IReadOnlyDictionary<string, string> Metadata => file.Header.Metadata;

    /// <summary>Opens a file, holds it against its checksum and reads its description; values are read when they are loaded.</summary>
    /// <exception cref="InputException">The file is missing, damaged, or no model; or its description is not that of its tensors.</exception>
    public static ModelFile Open(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        try
        {
            IReadOnlyDictionary<string, string> metadata = file.Header.Metadata;
            if (!metadata.TryGetValue(FormatKey, out string? format))
                throw new InputException($"{path}: a safetensors file, but no model of Ds2: it has no {FormatKey}");
            file.RequireIntact();
            ModelDescription description = metadata.TryGetValue(ModelKey, out string? model) ? ModelDescription.Parse(model, $"{path}, {ModelKey}")
                : format == CheckpointWithoutModel ? DescriptionFromRun(metadata, path)
                : throw new InputException($"{path}: a safetensors file, but no model of Ds2 ({FormatKey} is {format}, and there is no {ModelKey})");
            RequireSizes(path, file.Header, description.Options);
            return new ModelFile(path, file, description);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes a recognizer; the file is replaced in one step or not at all.</summary>
    /// <exception cref="IOException">It cannot be written; an earlier one stays.</exception>
    public static void Save(string path, ModelDescription description, DeepSpeech2 model) =>
        Save(path, description, model, new Dictionary<string, string> { [FormatKey] = Format }, []);

    /// <summary>Writes a recognizer, with what else a training run keeps.</summary>
    internal static void Save(
        string path, ModelDescription description, DeepSpeech2 model, IReadOnlyDictionary<string, string> metadata, IEnumerable<SafetensorsEntry> more)
    {
        ArgumentNullException.ThrowIfNull(description);
        ArgumentNullException.ThrowIfNull(model);
        var all = new Dictionary<string, string>(metadata) { [ModelKey] = description.ToJson() };
        SafetensorsFile.Write(path, all, [.. TensorsOf(model).Select(tensor => SafetensorsEntry.Of(tensor.Name, tensor.Values)), .. more], checksum: true);
    }

    /// <summary>The model with the file's values.</summary>
    /// <param name="engine">Where it runs.</param>
    /// <param name="trains">Whether it is to be trained: it then has gradients.</param>
    /// <param name="precision">How the recurrent weights are read, if not as the description says.</param>
    /// <exception cref="InputException">A tensor is missing, has another shape, or is none of this model.</exception>
    public DeepSpeech2 Load(IEngine engine, bool trains = false, RecurrentPrecision? precision = null)
    {
        Architecture architecture = Description.Architecture;
        var model = new DeepSpeech2(architecture with { RecurrentPrecision = precision ?? architecture.RecurrentPrecision }, engine, seed: null, trains);
        try
        {
            Restore(model);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Gives a model the file's parameters and running statistics.</summary>
    /// <exception cref="InputException">A tensor is missing, has another shape, or is none of this model.</exception>
    public void Restore(DeepSpeech2 model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Restore(TensorsOf(model), name => name.StartsWith(OptimizerPrefix, StringComparison.Ordinal));
    }

    /// <summary>Gives a model that writes another alphabet the file's values: of the output layer, the rows of labels that both have (the blank is one); the other rows stay what they are.</summary>
    /// <param name="model">The model, with initial values.</param>
    /// <param name="alphabet">What it writes.</param>
    /// <returns>The labels that begin anew.</returns>
    /// <exception cref="InputException">A tensor is missing, has another shape, or is none of this model.</exception>
    public IReadOnlyList<string> Restore(DeepSpeech2 model, Alphabet alphabet)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(alphabet);
        Parameter output = model.OutputLayer.Weight;
        Restore(TensorsOf(model).Where(tensor => tensor.Name != output.Name), name => name == output.Name || name.StartsWith(OptimizerPrefix, StringComparison.Ordinal));
        int width = output.Shape[1];
        var old = new float[Description.Alphabet.Size * width];
        file.ReadInto(output.Name, old.AsSpan());
        float[] rows = output.Values.ToArray();
        var anew = new List<string>();
        for (int label = 0; label < alphabet.Size; label++)
        {
            int known = label == alphabet.Blank ? Description.Alphabet.Blank : Description.Alphabet.LabelOf(alphabet[label]);
            if (known >= 0)
                old.AsSpan(known * width, width).CopyTo(rows.AsSpan(label * width));
            else
                anew.Add(alphabet[label]);
        }

        output.Values.CopyFrom(rows);
        return anew;
    }

    /// <summary>Gives a model, and more, the file's values.</summary>
    internal void Restore(DeepSpeech2 model, IEnumerable<TensorToRestore> more) => Restore(TensorsOf(model).Select(TensorToRestore.Whole).Concat(more), _ => false);

    /// <summary>Closes the file.</summary>
    public void Dispose() => file.Dispose();

    private static IEnumerable<(string Name, Tensor Values)> TensorsOf(DeepSpeech2 model) =>
        model.Parameters.Parameters.Select(parameter => (parameter.Name, parameter.Values)).Concat(model.Parameters.Statistics);

    private static ModelDescription DescriptionFromRun(IReadOnlyDictionary<string, string> metadata, string path)
    {
        string source = $"{path}, {OptionsKey}";
        return new ModelDescription(OptionsJson.Read(OptionsJson.Parse(metadata.GetValueOrDefault(OptionsKey, ""), source), source, new ModelOptions()), Alphabet.English);
    }

    /// <summary>Holds the sizes that decide about memory against the file's own tensors: a damaged number must not become a model of gigabytes.</summary>
    private static void RequireSizes(string path, SafetensorsHeader header, ModelOptions options)
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

    private void Restore(IEnumerable<(string Name, Tensor Values)> tensors, Func<string, bool> passedOver) => Restore(tensors.Select(TensorToRestore.Whole), passedOver);

    private void Restore(IEnumerable<TensorToRestore> tensors, Func<string, bool> passedOver)
    {
        var stored = file.Header.Tensors.ToDictionary(tensor => tensor.Name);
        TensorToRestore[] wanted = [.. tensors];
        foreach ((string name, Shape wantedShape, _) in wanted)
        {
            if (!stored.Remove(name, out SafetensorsTensor? tensor))
                throw new InputException($"{Path}: has no tensor '{name}': the file is of another model");
            // As text, as the file's shape may be none that a Shape can hold.
            string shape = $"[{string.Join(", ", tensor.Shape)}]";
            if (shape != wantedShape.ToString())
                throw new InputException($"{Path}: '{name}' is {shape}, the model has {wantedShape}: the file is of another model");
        }

        // A layer or a direction that nobody asks for would be dropped without a word.
        if (stored.Keys.FirstOrDefault(name => !passedOver(name)) is { } unknown)
            throw new InputException($"{Path}: has a tensor '{unknown}' that the model has not: the file is of another model");
        foreach ((string name, _, Action<SafetensorsFile, string> read) in wanted)
            read(file, name);
    }
}

/// <summary>A tensor that is read from a model file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its shape there.</param>
/// <param name="Read">Reads it, or the part of it that is wanted, from the file under that name.</param>
internal sealed record TensorToRestore(string Name, Shape Shape, Action<SafetensorsFile, string> Read)
{
    /// <summary>All of a tensor.</summary>
    public static TensorToRestore Whole((string Name, Tensor Values) tensor) => new(tensor.Name, tensor.Values.Shape, (file, name) => file.ReadInto(name, tensor.Values));
}
