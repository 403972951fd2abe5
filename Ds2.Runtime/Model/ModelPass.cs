using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Model;

/// <summary>Batches on their way through a model, one after the other, and what each leaves behind for its gradient.</summary>
public sealed class ModelPass : IDisposable
{
    private readonly DeepSpeech2 model;
    private readonly Stage[] stages;
    private readonly FrameCounts inputFrames;

    internal ModelPass(DeepSpeech2 model, float dropout)
    {
        this.model = model;
        stages = [.. model.Layers.SelectMany((layer, i) => StagesOf(layer.Name, layer.Layer, i, dropout))];
        inputFrames = new FrameCounts(model.Engine);
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
    /// <param name="dropoutKey">Which elements dropout takes in training: another number, others.</param>
    /// <returns>[T', N, C] and the output frames of each utterance; overwritten by the next call.</returns>
    /// <exception cref="ArgumentException">The batch is too short to give one output frame.</exception>
    /// <exception cref="InvalidOperationException">Training was asked of a model that has no gradients.</exception>
    public Sequence Forward(Tensor features, ReadOnlySpan<int> frames, bool training, uint dropoutKey = 0)
    {
        ArgumentNullException.ThrowIfNull(features);
        if (model.OutputFrames(features.Shape[3]) == 0)
            throw new ArgumentException($"features {features.Shape} are too short: the convolutions need {model.MinimumFrames} frames", nameof(features));
        if (training && !model.Parameters.HasGradients)
            throw new InvalidOperationException("the model was made for inference: it has no gradients");
        inputFrames.Set(frames);
        var sequence = new Sequence(features, inputFrames);
        foreach (Stage stage in stages)
        {
            using ProfilerRange range = ProfilerRange.Begin(stage.ForwardName);
            if (stage.Pass is DropoutPass dropout)
                dropout.Key = unchecked(dropoutKey + (uint)stage.Layer);
            sequence = stage.Pass.Forward(sequence, training);
        }

        return sequence;
    }

    /// <summary>Adds the gradients of all parameters but those of the lowest frozen layers, given that of the last logits.</summary>
    /// <param name="dLogits">[T', N, C]; may be overwritten.</param>
    /// <param name="endLayer">Told of each layer whose gradients have all been asked for, from the last one down to the lowest that is not frozen.</param>
    public void Backward(Tensor dLogits, Action<ILayer>? endLayer = null)
    {
        Tensor? gradient = dLogits;
        for (int i = stages.Length - 1; i >= 0 && stages[i].Layer >= model.FirstTrained; i--)
        {
            using ProfilerRange range = ProfilerRange.Begin(stages[i].BackwardName);
            gradient = stages[i].Pass.Backward(gradient!);
            if (stages[i].Pass is not DropoutPass)
                endLayer?.Invoke(model.Layers[stages[i].Layer].Layer);
        }
    }

    /// <summary>Gives the activations' memory back; the model stays.</summary>
    public void Dispose()
    {
        foreach (Stage stage in stages)
            stage.Pass.Dispose();
        inputFrames.Dispose();
    }

    private List<LayerMemory> MemoriesFor(int batch, int frames, bool training)
    {
        var memories = new List<LayerMemory>();
        Shape shape = model.FeatureShape(batch, frames);
        foreach (Stage stage in stages)
        {
            memories.Add(stage.Pass.MemoryFor(shape, training));
            if (stage.Pass is not DropoutPass)
                shape = model.Layers[stage.Layer].Layer.OutputShape(shape);
        }

        return memories;
    }

    /// <summary>A layer's pass, and dropout after it where the layer is recurrent.</summary>
    private IEnumerable<Stage> StagesOf(string name, ILayer layer, int index, float dropout)
    {
        string shown = name.Length > 0 ? name : "layout";
        yield return new Stage(index, layer.NewPass(), $"{shown} forward", $"{shown} backward");
        if (layer is RecurrentLayer && dropout > 0)
            yield return new Stage(index, new DropoutPass(model.Engine, dropout), $"{shown} dropout forward", $"{shown} dropout backward");
    }

    /// <summary>What a batch goes through: a layer's pass or dropout.</summary>
    /// <param name="Layer">The layer's place in the model.</param>
    /// <param name="Pass">The pass.</param>
    /// <param name="ForwardName">What a profile calls its forward half.</param>
    /// <param name="BackwardName">What a profile calls its backward half.</param>
    private readonly record struct Stage(int Layer, ILayerPass Pass, string ForwardName, string BackwardName);
}
