namespace Ds2.Runtime.Layers;

/// <summary>A tensor that is kept with the model and moved by forward passes, not by the optimiser: a running mean or variance.</summary>
/// <param name="name">Its name in PyTorch's state dict, as <c>conv.1.running_mean</c>.</param>
/// <param name="shape">Its shape.</param>
public sealed class Statistic(string name, Shape shape)
{
    private Tensor? values, moving;

    /// <summary>The name in PyTorch's state dict.</summary>
    public string Name { get; } = name;

    /// <summary>The shape.</summary>
    public Shape Shape { get; } = shape;

    /// <summary>The values; a window into the memory of the <see cref="ParameterSet"/> that declared it.</summary>
    /// <exception cref="InvalidOperationException">That set has not been allocated.</exception>
    public Tensor Values => values ?? throw new InvalidOperationException($"{Name} has no memory yet: allocate its parameter set");

    /// <summary>What forward passes of training move: the values, or where a step's batches are told apart (<see cref="ParameterSet.CollectStatistics"/>) a window beside them.</summary>
    internal Tensor Moving => moving ?? Values;

    /// <summary>Whether its layer is frozen: no pass moves it.</summary>
    internal bool IsFrozen { get; set; }

    /// <summary>Gives the statistic its memory.</summary>
    internal void Bind(Tensor window) => values = window;

    /// <summary>From now on passes move a window beside the values.</summary>
    internal void MoveApart(Tensor window) => moving = window;
}
