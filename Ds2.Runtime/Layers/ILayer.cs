namespace Ds2.Runtime.Layers;

/// <summary>Activations of a padded batch and how many frames of each utterance are real.</summary>
/// <param name="Values">[N, C, F, T] up to the recurrent layers, [T, N, C] from there on.</param>
/// <param name="Frames">[N]: valid frames of each utterance.</param>
public readonly record struct Sequence(Tensor Values, FrameCounts Frames);

/// <summary>A stage of a model: its weights, and the sizes that say what it computes.</summary>
/// <remarks>A layer holds nothing of a batch. What a batch leaves behind belongs to an <see cref="ILayerPass"/>, so that one set of weights serves several passes.
/// Each class of layer tells its own facts (sizes, parameters, constants) to whoever describes or exports it.</remarks>
public interface ILayer
{
    /// <summary>Its parameters.</summary>
    IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Has its normalization, if it has one, go by the running statistics in training too, and leave them as they are.</summary>
    void Freeze();

    /// <summary>The output's shape for an input's: no work is done.</summary>
    Shape OutputShape(Shape input);

    /// <summary>A pass of its own through this layer's weights; the caller disposes it.</summary>
    ILayerPass NewPass();
}

/// <summary>Batches on their way through a layer, one after the other: it runs forward, keeps what the gradient needs, and runs backward.</summary>
/// <remarks>Outputs belong to the pass and are overwritten by its next call.</remarks>
public interface ILayerPass : IDisposable
{
    /// <summary>What a batch with an input of this shape keeps in memory, and the scratch memory that it needs, fp32 elements.</summary>
    /// <param name="input">The input's shape.</param>
    /// <param name="training">Whether a backward pass follows.</param>
    LayerMemory MemoryFor(Shape input, bool training);

    /// <summary>The output of a batch.</summary>
    /// <param name="input">The input; it must stay as it is until <see cref="Backward"/> is done.</param>
    /// <param name="training">Whether normalization uses the batch's statistics and moves the running ones, and a backward pass follows.</param>
    Sequence Forward(Sequence input, bool training);

    /// <summary>Adds to the gradients of the parameters, and gives that of the input.</summary>
    /// <param name="dY">The gradient with respect to the last output; the pass may overwrite it.</param>
    /// <returns>The gradient with respect to the last input; null where the layer was told that nobody needs it.</returns>
    Tensor? Backward(Tensor dY);
}

/// <summary>The memory that a layer needs for a batch.</summary>
/// <param name="Activations">Its tensors and the elements that each must hold.</param>
/// <param name="Scratch">Elements of the workspace that it shares with the other layers.</param>
public readonly record struct LayerMemory(IReadOnlyList<(GrowingTensor Tensor, int Elements)> Activations, int Scratch);
