using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Model;

/// <summary>A stage of the model as the layer table shows it.</summary>
/// <param name="Name">The prefix of its parameters' names.</param>
/// <param name="Description">What it is.</param>
/// <param name="Output">Its output for the given input.</param>
/// <param name="Parameters">Its trained values.</param>
public readonly record struct LayerSummary(string Name, string Description, Shape Output, long Parameters);

/// <summary>Two convolutions, a stack of GRUs and a linear layer: speech features to the logits of characters.</summary>
/// <remarks>Amodei et al., "Deep Speech 2", arXiv:1512.02595, in the form of MLPerf's speech-recognition reference; parameter names are that reference's.</remarks>
public sealed class DeepSpeech2 : IDisposable
{
    private readonly List<(string Name, ILayer Layer)> layers = [];
    private readonly ConvolutionLayer firstConvolution;
    private readonly ConvolutionLayer secondConvolution;
    private readonly FrameCounts inputFrames;

    /// <summary>Builds the model and gives its parameters PyTorch's default initial values.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="engine">The engine it runs on; it outlives the model.</param>
    /// <param name="seed">Of the initial values.</param>
    public DeepSpeech2(Architecture options, IEngine engine, int seed)
    {
        Options = options;
        Engine = engine;
        Workspace = new Workspace(engine);
        Parameters = new ParameterSet(engine);
        inputFrames = new FrameCounts(engine);
        firstConvolution = new ConvolutionLayer("conv.0", "conv.1", options.FirstConvolution, needsInputGradient: false, Parameters, Workspace);
        secondConvolution = new ConvolutionLayer("conv.3", "conv.4", options.SecondConvolution, needsInputGradient: true, Parameters, Workspace);
        var timeMajor = new TimeMajorLayer(engine);
        layers.AddRange([("conv.0", firstConvolution), ("conv.3", secondConvolution), ("", timeMajor)]);
        int features = timeMajor.OutputShape(secondConvolution.OutputShape(firstConvolution.OutputShape(FeatureShape(1, MinimumFrames))))[2];
        for (int i = 0; i < options.Layers; i++)
        {
            bool normalizeInput = options.RnnBatchNorm && i > 0;
            layers.Add(($"rnns.{i}", new RecurrentLayer(
                $"rnns.{i}", i == 0 ? features : options.Hidden, options.Hidden, options.Bidirectional, normalizeInput, options.RecurrentPrecision, Parameters, Workspace)));
        }

        layers.Add(("fc.0", new OutputLayer(options.Hidden, options.Classes, Parameters, Workspace)));
        Parameters.Allocate(seed);
    }

    /// <summary>The architecture.</summary>
    public Architecture Options { get; }

    /// <summary>The engine it runs on.</summary>
    public IEngine Engine { get; }

    /// <summary>Its parameters, their gradients and the normalisations' running statistics.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>The scratch memory that all its layers share.</summary>
    public Workspace Workspace { get; }

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

    /// <summary>The layers from features to logits, with the output shapes for a batch.</summary>
    public IReadOnlyList<LayerSummary> Summarize(int batch, int frames)
    {
        var rows = new List<LayerSummary>();
        Shape shape = FeatureShape(batch, frames);
        foreach ((string name, ILayer layer) in layers)
        {
            shape = layer.OutputShape(shape);
            rows.Add(new LayerSummary(name, layer.Description, shape, layer.Parameters.Sum(parameter => (long)parameter.Shape.Length)));
        }

        return rows;
    }

    /// <summary>The bytes that a training batch's activations and the scratch memory take, parameters and gradients apart.</summary>
    /// <param name="batch">Utterances.</param>
    /// <param name="frames">Feature frames of the longest.</param>
    public long BytesFor(int batch, int frames)
    {
        List<LayerMemory> memories = MemoriesFor(batch, frames);
        return sizeof(float) * (memories.SelectMany(memory => memory.Activations).Sum(activation => (long)activation.Elements) + memories.Max(memory => memory.Scratch));
    }

    /// <summary>Takes the memory for training batches of up to this size, so that none is taken later.</summary>
    /// <param name="batch">Utterances.</param>
    /// <param name="frames">Feature frames of the longest; enough for one output frame.</param>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve(int batch, int frames)
    {
        foreach (LayerMemory memory in MemoriesFor(batch, frames))
        {
            foreach ((GrowingTensor tensor, int elements) in memory.Activations)
                tensor.Reserve(elements);
            Workspace.Reserve(memory.Scratch);
        }
    }

    /// <summary>The logits of a batch.</summary>
    /// <param name="features">[N, 1, F, T], zero after each utterance's end; it must stay as it is until <see cref="Backward"/> is done.</param>
    /// <param name="frames">[N]: valid frames of each utterance.</param>
    /// <param name="training">Whether normalisation uses the batch's statistics and a backward pass follows.</param>
    /// <returns>[T', N, C] and the output frames of each utterance; overwritten by the next call.</returns>
    /// <exception cref="ArgumentException">The batch is too short to give one output frame.</exception>
    public Sequence Forward(Tensor features, ReadOnlySpan<int> frames, bool training)
    {
        ArgumentNullException.ThrowIfNull(features);
        if (OutputFrames(features.Shape[3]) == 0)
            throw new ArgumentException($"features {features.Shape} are too short: the convolutions need {MinimumFrames} frames", nameof(features));
        if (training)
            Parameters.KeepStatistics();
        inputFrames.Set(frames);
        var sequence = new Sequence(features, inputFrames);
        foreach ((_, ILayer layer) in layers)
            sequence = layer.Forward(sequence, training);
        return sequence;
    }

    /// <summary>Adds the gradients of all parameters, given that of the last logits.</summary>
    /// <param name="dLogits">[T', N, C]; may be overwritten.</param>
    public void Backward(Tensor dLogits)
    {
        Tensor? gradient = dLogits;
        for (int i = layers.Count - 1; i >= 0; i--)
            gradient = layers[i].Layer.Backward(gradient!);
    }

    /// <summary>Gives the model's memory back; the engine stays.</summary>
    public void Dispose()
    {
        foreach ((_, ILayer layer) in layers)
            layer.Dispose();
        inputFrames.Dispose();
        Parameters.Dispose();
        Workspace.Dispose();
    }

    private List<LayerMemory> MemoriesFor(int batch, int frames)
    {
        var memories = new List<LayerMemory>();
        Shape shape = FeatureShape(batch, frames);
        foreach ((_, ILayer layer) in layers)
        {
            memories.Add(layer.MemoryFor(shape));
            shape = layer.OutputShape(shape);
        }

        return memories;
    }

    private Shape FeatureShape(int batch, int frames) => new(batch, 1, Options.InputRows, frames);
}
