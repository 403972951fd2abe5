namespace Ds2.Runtime.Layers;

/// <summary>A trained tensor and its gradient.</summary>
/// <param name="name">Its name in PyTorch's state dict, as <c>rnns.0.rnn.weight_ih_l0</c>.</param>
/// <param name="shape">Its shape.</param>
public sealed class Parameter(string name, Shape shape)
{
    private Tensor? values;
    private Tensor? gradient;

    /// <summary>The name in PyTorch's state dict.</summary>
    public string Name { get; } = name;

    /// <summary>The shape.</summary>
    public Shape Shape { get; } = shape;

    /// <summary>The parameter itself; a window into <see cref="ParameterSet.Values"/>.</summary>
    /// <exception cref="InvalidOperationException">The set that declared it has not been allocated.</exception>
    public Tensor Values => values ?? throw new InvalidOperationException($"{Name} has no memory yet: allocate its parameter set");

    /// <summary>Its gradient, to which backward passes add; a window into <see cref="ParameterSet.Gradients"/>.</summary>
    /// <exception cref="InvalidOperationException">The set that declared it has not been allocated, or without gradients.</exception>
    public Tensor Gradient => gradient ?? throw new InvalidOperationException($"{Name} has no gradient: its parameter set is not allocated, or for inference alone");

    /// <summary>Whether training leaves it as it is.</summary>
    public bool IsFrozen { get; internal set; }

    /// <summary>Gives the parameter its memory.</summary>
    internal void Bind(Tensor valuesWindow, Tensor? gradientWindow)
    {
        values = valuesWindow;
        gradient = gradientWindow;
    }
}
