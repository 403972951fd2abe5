using TorchSharp;

namespace Ds2.Bench.Peers;

/// <summary>One library's part of a <see cref="Pair"/>.</summary>
/// <param name="Run">What is timed.</param>
/// <param name="Prepare">What must run before each call, untimed: the forward pass of a backward one.</param>
internal readonly record struct Side(Action Run, Action? Prepare = null);

/// <summary>A pass of an op in both libraries, on the same numbers.</summary>
/// <param name="Name">The op and the pass: <c>Gru backward</c>.</param>
/// <param name="Size">The shape, for people.</param>
/// <param name="Ds2">Ours.</param>
/// <param name="Torch">libtorch's, as its users call it.</param>
/// <param name="Results">What both computed, tensor by tensor, after a call of each.</param>
internal sealed record Pair(string Name, string Size, Side Ds2, Side Torch, Func<IEnumerable<(Tensor Ds2, torch.Tensor Torch)>> Results)
{
    /// <summary>Both sum in fp32, in orders of their own; a wrong or missing term moves a result by far more.</summary>
    private const double WrongResult = 1e-3;

    /// <summary>The largest difference among the results, each relative to the size of libtorch's, as norms.</summary>
    /// <exception cref="InvalidOperationException">One is zero or not finite, or both differ by more than rounding.</exception>
    public double Difference()
    {
        double largest = 0;
        int index = 0;
        foreach ((Tensor ours, torch.Tensor theirs) in Results())
        {
            using torch.Tensor contiguous = theirs.detach().contiguous();
            double difference = Norms.RelativeDifference(ours.ToArray(), contiguous.data<float>().ToArray());
            if (!(difference <= WrongResult))
                throw new InvalidOperationException($"{Name} {Size}: result {index} differs from libtorch's by {difference:E1} of its size");
            largest = Math.Max(largest, difference);
            index++;
        }

        return largest;
    }
}
