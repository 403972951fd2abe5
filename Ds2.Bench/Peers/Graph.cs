using TorchSharp;

namespace Ds2.Bench.Peers;

/// <summary>An op in libtorch with its gradient by autograd: the recorded forward pass, and the backward pass alone.</summary>
/// <param name="forward">The op.</param>
/// <param name="gradient">The gradient of its output; null where the output is a number.</param>
/// <param name="inputs">What the gradient is wanted for.</param>
internal sealed class Graph(Func<torch.Tensor> forward, torch.Tensor? gradient, torch.Tensor[] inputs)
{
    private torch.Tensor? output;
    private IList<torch.Tensor>? gradients;

    /// <summary>The forward pass, as in training.</summary>
    public Side Forward => new(RunForward);

    /// <summary>The backward pass, without adding to gradients that stand there already.</summary>
    public Side Backward => new(RunBackward, RunForward);

    /// <summary>What the last forward pass gave.</summary>
    public torch.Tensor Output => output!;

    /// <summary>Our gradients, each beside that of the last backward pass.</summary>
    public IEnumerable<(Tensor Ds2, torch.Tensor Torch)> GradientsBeside(params Tensor[] ours) => ours.Zip(gradients!);

    private void RunForward() => output = forward();

    private void RunBackward() => gradients = torch.autograd.grad([output!], inputs, gradient is null ? null : [gradient]);
}
