using TorchSharp;
using TorchSharp.Modules;

namespace Ds2.Bench.Peers;

/// <summary>Which frames of a stage's output are utterances' and which only fill the batch up, in libtorch's terms. Its tensors belong to the scope that it is made in.</summary>
/// <param name="frames">[N], the valid frames of each utterance, the longest of them as long as the batch.</param>
internal sealed class Padding(int[] frames)
{
    /// <summary>[N], on the host, for packing; an utterance without a frame counts as one of one frame, which packing asks for.</summary>
    public torch.Tensor Lengths { get; } = torch.tensor([.. frames.Select(count => (long)Math.Max(count, 1))]);

    /// <summary>Frames of all utterances together.</summary>
    public long ValidFrames { get; } = frames.Sum(count => (long)count);

    /// <summary>[N, 1, 1, T]: true where a frame is padded.</summary>
    public torch.Tensor OfImages() => torch.arange(frames.Max()).view(1, 1, 1, -1).ge(torch.tensor([.. frames.Select(count => (long)count)]).view(-1, 1, 1, 1));

    /// <summary>Batch normalization in training with the statistics of the valid elements alone, which PyTorch's own does not have; moves the running ones.</summary>
    /// <remarks>Zeros add nothing to sums, so padding that is zero needs no mask here: two sums and one multiply-add over the batch.</remarks>
    /// <param name="norm">Weight, bias and running statistics.</param>
    /// <param name="x">Zero where it is padded.</param>
    /// <param name="count">Valid elements of a feature.</param>
    /// <param name="others">The dimensions that are no features'.</param>
    /// <param name="shape">The shape of a value for each feature beside x.</param>
    public torch.Tensor Normalize(NormBase norm, torch.Tensor x, long count, long[] others, long[] shape)
    {
        torch.Tensor mean = x.sum(others) / count;
        torch.Tensor variance = x.square().sum(others) / count - mean.square();
        using (torch.no_grad())
        {
            double momentum = norm.momentum ?? throw new InvalidOperationException("running statistics without a momentum");
            norm.running_mean!.mul_(1 - momentum).add_(mean, alpha: momentum);
            norm.running_var!.mul_(1 - momentum).add_(variance, alpha: momentum * count / (count - 1));
        }

        torch.Tensor scale = norm.weight! * (variance + norm.eps).rsqrt();
        return torch.addcmul((norm.bias! - mean * scale).view(shape), x, scale.view(shape), 1);
    }
}
