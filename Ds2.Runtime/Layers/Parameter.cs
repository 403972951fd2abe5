using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>A trained tensor and its gradient.</summary>
/// <param name="name">Its name in PyTorch's state dict, as <c>rnns.0.rnn.weight_ih_l0</c>.</param>
/// <param name="shape">Its shape.</param>
/// <param name="matrices">Into how many matrices its rows divide, as a GRU's weight into those of its gates; 0 for what is no matrix to an optimiser: biases, norms, the weights of the labels.</param>
public sealed class Parameter(string name, Shape shape, int matrices = 0)
{
    private Tensor? values;
    private Tensor? gradient;
    private Action? beforeRead;

    /// <summary>The name in PyTorch's state dict.</summary>
    public string Name { get; } = name;

    /// <summary>The shape.</summary>
    public Shape Shape { get; } = shape;

    /// <summary>Its matrices, the dimensions after the first being their columns; none where it is no matrix to an optimiser.</summary>
    public MuonShape? Matrices { get; } = matrices == 0 ? null : new MuonShape(matrices, shape[0] / matrices, shape.Length / shape[0]);

    /// <summary>The parameter itself; a window into <see cref="ParameterSet.Values"/>. Where it is still on its way from another rank, it is waited for.</summary>
    /// <exception cref="InvalidOperationException">The set that declared it has not been allocated.</exception>
    public Tensor Values
    {
        get
        {
            beforeRead?.Invoke();
            return values ?? throw new InvalidOperationException($"{Name} has no memory yet: allocate its parameter set");
        }
    }

    /// <summary>Its gradient, to which backward passes add; a window into <see cref="ParameterSet.Gradients"/>.</summary>
    /// <exception cref="InvalidOperationException">The set that declared it has not been allocated, or without gradients.</exception>
    public Tensor Gradient => gradient ?? throw new InvalidOperationException($"{Name} has no gradient: its parameter set is not allocated, or for inference alone");

    /// <summary>Whether training leaves it as it is.</summary>
    public bool IsFrozen { get; internal set; }

    /// <summary>Gives the parameter its memory.</summary>
    /// <param name="valuesWindow">Its values'.</param>
    /// <param name="gradientWindow">Its gradient's; null where it has none.</param>
    /// <param name="awaitValues">Returns when the values are there.</param>
    internal void Bind(Tensor valuesWindow, Tensor? gradientWindow, Action awaitValues)
    {
        values = valuesWindow;
        gradient = gradientWindow;
        beforeRead = awaitValues;
    }
}
