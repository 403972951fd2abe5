using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Model;

/// <summary>A stage of the model and what it makes of a batch.</summary>
/// <param name="Name">The prefix of its parameters' names; empty where it has none.</param>
/// <param name="Layer">The stage.</param>
/// <param name="Output">Its output for the given input.</param>
public readonly record struct LayerSummary(string Name, ILayer Layer, Shape Output)
{
    /// <summary>Its trained values.</summary>
    public long Parameters => Layer.Parameters.Sum(parameter => (long)parameter.Shape.Length);
}

/// <summary>Two convolutions, a stack of GRUs and a linear layer: speech features to the logits of characters.</summary>
/// <remarks>
/// Amodei et al., "Deep Speech 2", arXiv:1512.02595, in the form of MLPerf's speech-recognition reference; parameter names are that reference's.
/// The model is its weights. Batches go through it in a <see cref="ModelPass"/>, of which it can have several: their work is done in the order of the calls.
/// </remarks>
public sealed class DeepSpeech2 : IDisposable
{
    private readonly List<(string Name, ILayer Layer)> layers = [];
    private readonly ConvolutionLayer firstConvolution;
    private readonly ConvolutionLayer secondConvolution;
    private int firstTrained;

    /// <summary>Builds the model and gives its parameters PyTorch's default initial values.</summary>
    /// <param name="architecture">The sizes.</param>
    /// <param name="engine">The engine it runs on; it outlives the model.</param>
    /// <param name="seed">Of the initial values; null for zeros, which a file's values replace.</param>
    /// <param name="trains">Whether it has gradients; a model that only recognizes takes half the memory, and from the first batch on that of its packed recurrent weights.</param>
    public DeepSpeech2(Architecture architecture, IEngine engine, int? seed, bool trains = true)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        Architecture = architecture;
        Engine = engine;
        Workspace = new Workspace(engine);
        Parameters = new ParameterSet(engine);
        firstConvolution = new ConvolutionLayer("conv.0", "conv.1", architecture.FirstConvolution, needsInputGradient: false, Parameters, Workspace);
        secondConvolution = new ConvolutionLayer("conv.3", "conv.4", architecture.SecondConvolution, needsInputGradient: true, Parameters, Workspace);
        var timeMajor = new TimeMajorLayer(engine);
        layers.AddRange([("conv.0", firstConvolution), ("conv.3", secondConvolution), ("", timeMajor)]);
        int features = timeMajor.OutputShape(secondConvolution.OutputShape(firstConvolution.OutputShape(FeatureShape(1, MinimumFrames))))[2];
        for (int i = 0; i < architecture.Layers; i++)
        {
            bool normalizeInput = architecture.RnnBatchNorm && i > 0;
            layers.Add(($"rnns.{i}", new RecurrentLayer(
                $"rnns.{i}", i == 0 ? features : architecture.Hidden, architecture.Hidden, architecture.Bidirectional, normalizeInput,
                architecture.RecurrentPrecision, Parameters, Workspace)));
        }

        OutputLayer = new OutputLayer(architecture.Hidden, architecture.Classes, Parameters, Workspace);
        layers.Add(("fc.0", OutputLayer));
        Parameters.Allocate(seed, trains);
    }

    /// <summary>The sizes.</summary>
    public Architecture Architecture { get; }

    /// <summary>The engine it runs on.</summary>
    public IEngine Engine { get; }

    /// <summary>Its parameters, their gradients and the normalizations' running statistics.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>The scratch memory that all its layers and passes share.</summary>
    public Workspace Workspace { get; }

    /// <summary>The stages from features to logits, with the prefixes of their parameters' names.</summary>
    public IReadOnlyList<(string Name, ILayer Layer)> Layers => layers;

    /// <summary>The last stage: its rows are the labels'.</summary>
    public OutputLayer OutputLayer { get; }

    /// <summary>The stages below this one are left as they are by training: no gradient is needed there.</summary>
    internal int FirstTrained => firstTrained;

    /// <summary>Has training leave layers as they are: their parameters, and the running statistics, by which their normalization then goes.</summary>
    /// <param name="names">Names of layers, or what they begin with: <c>conv</c>, <c>rnns.0</c>, <c>fc</c>.</param>
    /// <exception cref="InputException">No layer has such a name, or none is left to train.</exception>
    public void Freeze(IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        foreach (string name in names)
        {
            ILayer[] named = [.. layers.Where(layer => layer.Name == name || layer.Name.StartsWith(name + ".", StringComparison.Ordinal)).Select(layer => layer.Layer)];
            if (named.Length == 0 || name.Length == 0)
                throw new InputException($"freeze: there is no layer '{name}'; there are {string.Join(", ", layers.Select(layer => layer.Name).Where(known => known.Length > 0))}");
            foreach (ILayer layer in named)
            {
                layer.Freeze();
                foreach (Parameter parameter in layer.Parameters)
                    parameter.IsFrozen = true;
            }
        }

        firstTrained = layers.FindIndex(layer => layer.Layer.Parameters.Any(parameter => !parameter.IsFrozen));
        if (firstTrained < 0)
            throw new InputException($"freeze={string.Join(",", names)}: no layer is left to train");
    }

    /// <summary>The shortest input, in frames, that gives one output frame.</summary>
    public int MinimumFrames
    {
        get
        {
            int frames = 1;
            while (OutputFrames(frames) == 0)
                frames++;
            return frames;
        }
    }

    /// <summary>The output frames of an utterance, by the convolutions' formula; 0 where it is too short.</summary>
    public int OutputFrames(int frames) => secondConvolution.OutputFrames(firstConvolution.OutputFrames(frames));

    /// <summary>The stages with their output shapes for a batch.</summary>
    public IReadOnlyList<LayerSummary> Summarize(int batch, int frames)
    {
        var rows = new List<LayerSummary>();
        Shape shape = FeatureShape(batch, frames);
        foreach ((string name, ILayer layer) in layers)
        {
            shape = layer.OutputShape(shape);
            rows.Add(new LayerSummary(name, layer, shape));
        }

        return rows;
    }

    /// <summary>A pass through the weights; the caller disposes it, before the model.</summary>
    /// <param name="dropout">The share of each recurrent layer's outputs that is dropped in training.</param>
    public ModelPass NewPass(double dropout = 0) => new(this, (float)dropout);

    /// <summary>Gives the model's memory back; the engine stays.</summary>
    public void Dispose()
    {
        Parameters.Dispose();
        Workspace.Dispose();
    }

    /// <summary>[N, 1, F, T].</summary>
    internal Shape FeatureShape(int batch, int frames) => new(batch, 1, Architecture.InputRows, frames);
}
