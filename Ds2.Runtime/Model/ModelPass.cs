using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Model;

/// <summary>Batches on their way through a model, one after the other, and what each leaves behind for its gradient.</summary>
public sealed class ModelPass : IDisposable
{
    private readonly DeepSpeech2 model;
    private readonly ILayerPass[] layers;
    private readonly FrameCounts inputFrames;

    /// <summary>What a profile calls each layer's two halves.</summary>
    private readonly (string Forward, string Backward)[] names;

    internal ModelPass(DeepSpeech2 model)
    {
        this.model = model;
        layers = [.. model.Layers.Select(stage => stage.Layer.NewPass())];
        inputFrames = new FrameCounts(model.Engine);
        names = [.. model.Layers.Select(stage => stage.Name.Length > 0 ? stage.Name : "layout").Select(name => ($"{name} forward", $"{name} backward"))];
    }

    /// <summary>The bytes that a batch's activations and the scratch memory take, parameters and gradients apart.</summary>
    /// <param name="batch">Utterances.</param>
    /// <param name="frames">Feature frames of the longest.</param>
    /// <param name="training">Whether a backward pass follows.</param>
    public long BytesFor(int batch, int frames, bool training)
    {
        List<LayerMemory> memories = MemoriesFor(batch, frames, training);
        return sizeof(float) * (memories.SelectMany(memory => memory.Activations).Sum(activation => (long)activation.Elements) + memories.Max(memory => memory.Scratch));
    }

    /// <summary>Takes the memory for batches of up to this size, so that none is taken later.</summary>
    /// <param name="batch">Utterances.</param>
    /// <param name="frames">Feature frames of the longest; enough for one output frame.</param>
    /// <param name="training">Whether backward passes follow.</param>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve(int batch, int frames, bool training)
    {
        foreach (LayerMemory memory in MemoriesFor(batch, frames, training))
        {
            foreach ((GrowingTensor tensor, int elements) in memory.Activations)
                tensor.Reserve(elements);
            model.Workspace.Reserve(memory.Scratch);
        }
    }

    /// <summary>The logits of a batch.</summary>
    /// <param name="features">[N, 1, F, T], zero after each utterance's end; it must stay as it is until <see cref="Backward"/> is done.</param>
    /// <param name="frames">[N]: valid frames of each utterance.</param>
    /// <param name="training">Whether normalization uses the batch's statistics and a backward pass follows.</param>
    /// <returns>[T', N, C] and the output frames of each utterance; overwritten by the next call.</returns>
    /// <exception cref="ArgumentException">The batch is too short to give one output frame.</exception>
    /// <exception cref="InvalidOperationException">Training was asked of a model that has no gradients.</exception>
    public Sequence Forward(Tensor features, ReadOnlySpan<int> frames, bool training)
    {
        ArgumentNullException.ThrowIfNull(features);
        if (model.OutputFrames(features.Shape[3]) == 0)
            throw new ArgumentException($"features {features.Shape} are too short: the convolutions need {model.MinimumFrames} frames", nameof(features));
        if (training && !model.Parameters.HasGradients)
            throw new InvalidOperationException("the model was made for inference: it has no gradients");
        inputFrames.Set(frames);
        var sequence = new Sequence(features, inputFrames);
        for (int i = 0; i < layers.Length; i++)
        {
            using ProfilerRange range = ProfilerRange.Begin(names[i].Forward);
            sequence = layers[i].Forward(sequence, training);
        }

        return sequence;
    }

    /// <summary>Adds the gradients of all parameters but those of the lowest frozen layers, given that of the last logits.</summary>
    /// <param name="dLogits">[T', N, C]; may be overwritten.</param>
    public void Backward(Tensor dLogits)
    {
        Tensor? gradient = dLogits;
        for (int i = layers.Length - 1; i >= model.FirstTrained; i--)
        {
            using ProfilerRange range = ProfilerRange.Begin(names[i].Backward);
            gradient = layers[i].Backward(gradient!);
        }
    }

    /// <summary>Gives the activations' memory back; the model stays.</summary>
    public void Dispose()
    {
        foreach (ILayerPass layer in layers)
            layer.Dispose();
        inputFrames.Dispose();
    }

    private List<LayerMemory> MemoriesFor(int batch, int frames, bool training)
    {
        var memories = new List<LayerMemory>();
        Shape shape = model.FeatureShape(batch, frames);
        for (int i = 0; i < layers.Length; i++)
        {
            memories.Add(layers[i].MemoryFor(shape, training));
            shape = model.Layers[i].Layer.OutputShape(shape);
        }

        return memories;
    }
}
