namespace Ds2.Runtime.Layers;

/// <summary>Activations of a padded batch and how many frames of each utterance are real.</summary>
/// <param name="Values">[N, C, F, T] up to the recurrent layers, [T, N, C] from there on.</param>
/// <param name="Frames">[N]: valid frames of each utterance.</param>
public readonly record struct Sequence(Tensor Values, FrameCounts Frames);

/// <summary>A stage of a model: it runs forward, keeps what its gradient needs, and runs backward.</summary>
/// <remarks>Outputs belong to the layer and are overwritten by its next call.</remarks>
public interface ILayer : IDisposable
{
    /// <summary>What it is, for the layer table: <c>Conv2d 1 -> 32, 41 x 11, stride 2 x 2</c>.</summary>
    string Description { get; }

    /// <summary>Its parameters.</summary>
    IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>The output's shape for an input's: no work is done.</summary>
    Shape OutputShape(Shape input);

    /// <summary>What a training batch with an input of this shape keeps in memory, and the scratch memory that it needs, fp32 elements.</summary>
    LayerMemory MemoryFor(Shape input);

    /// <summary>The output of a batch.</summary>
    /// <param name="input">The input; it must stay as it is until <see cref="Backward"/> is done.</param>
    /// <param name="training">Whether normalisation uses the batch's statistics and moves the running ones, and a backward pass follows.</param>
    Sequence Forward(Sequence input, bool training);

    /// <summary>Adds to the gradients of the parameters, and gives that of the input.</summary>
    /// <param name="dY">The gradient with respect to the last output; the layer may overwrite it.</param>
    /// <returns>The gradient with respect to the last input; null where the layer was told that nobody needs it.</returns>
    Tensor? Backward(Tensor dY);
}

/// <summary>The memory that a layer needs for a batch.</summary>
/// <param name="Activations">Its tensors and the elements that each must hold.</param>
/// <param name="Scratch">Elements of the workspace that it shares with the other layers.</param>
public readonly record struct LayerMemory(IReadOnlyList<(GrowingTensor Tensor, int Elements)> Activations, int Scratch);
