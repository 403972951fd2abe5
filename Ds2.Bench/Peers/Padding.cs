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
    public torch.Tensor OfImages() => Mask(1).unsqueeze(1).unsqueeze(1);

    /// <summary>[T, N, 1]: true where a frame is padded.</summary>
    public torch.Tensor OfRows() => Mask(0).unsqueeze(2);

    /// <summary>Batch normalization in training with the statistics of the valid elements alone, which PyTorch's own does not have; moves the running ones.</summary>
    /// <remarks>Zeros add nothing to sums. The variance is that of the centred values: the difference of two sums loses what is left of a feature that hardly varies.</remarks>
    /// <param name="norm">Weight, bias and running statistics.</param>
    /// <param name="x">Zero where it is padded.</param>
    /// <param name="mask">True where it is padded; broadcast over x.</param>
    /// <param name="count">Valid elements of a feature.</param>
    /// <param name="others">The dimensions that are no features'.</param>
    /// <param name="shape">The shape of a value for each feature beside x.</param>
    public static torch.Tensor Normalize(NormBase norm, torch.Tensor x, torch.Tensor mask, long count, long[] others, long[] shape)
    {
        torch.Tensor mean = x.sum(others) / count;
        torch.Tensor centred = (x - mean.view(shape)).masked_fill(mask, 0);
        torch.Tensor variance = centred.square().sum(others) / count;
        using (torch.no_grad())
        {
            double momentum = norm.momentum ?? throw new InvalidOperationException("running statistics without a momentum");
            norm.running_mean!.mul_(1 - momentum).add_(mean, alpha: momentum);
            norm.running_var!.mul_(1 - momentum).add_(variance, alpha: momentum * count / (count - 1));
        }

        torch.Tensor scale = norm.weight! * (variance + norm.eps).rsqrt();
        return torch.addcmul(norm.bias!.view(shape), centred, scale.view(shape), 1);
    }

    /// <summary>True where a frame is padded, with time along a dimension and utterances along the other.</summary>
    private torch.Tensor Mask(int time) =>
        torch.arange(frames.Max()).unsqueeze(1 - time).ge(torch.tensor([.. frames.Select(count => (long)count)]).unsqueeze(time));
}
