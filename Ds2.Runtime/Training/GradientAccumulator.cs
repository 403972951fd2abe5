using System.Numerics;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>Adds up the gradients of a step's batches, in an order that depends on their number alone.</summary>
/// <remarks>
/// The sum over n batches is that over the first p plus that over the other n - p, p the largest power of two below n, and so on within both: the tree of RFC 6962, section 2.1. Its whole branches are sums
/// of neighbours, so devices that have a branch each can add up to the same bits. One device needs a buffer a level and no more: as in a binary counter, a batch's gradient is added to the branch of one
/// batch that waits, their sum to the branch of two, until a level is free; the last batch's is added to all branches that wait, the smallest first.
/// </remarks>
/// <param name="parameters">Whose gradients; each batch leaves its own there, and the last addition the sum.</param>
/// <param name="most">Batches of the largest step.</param>
internal sealed class GradientAccumulator(ParameterSet parameters, int most) : IDisposable
{
    private readonly List<Tensor> branches = [];
    private readonly Addition? addition = most > 1 ? Addition.On(parameters.Engine) : null;

    /// <summary>Tensors as large as all gradients that wait beside them: log2 of the batches, rounded up.</summary>
    public int Buffers { get; } = most <= 1 ? 0 : BitOperations.Log2((uint)most - 1) + 1;

    /// <summary>Takes the memory, once.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve()
    {
        while (branches.Count < Buffers)
            branches.Add(parameters.Engine.Allocate(parameters.Gradients.Shape));
    }

    /// <summary>Takes a batch's gradients in; after the step's last batch their sum stands in the parameter set. Queued, not waited for.</summary>
    /// <param name="place">The batch's place in its step, from 0; each in turn.</param>
    /// <param name="of">Batches of the step.</param>
    /// <exception cref="InvalidOperationException">No step was to have several.</exception>
    public void Add(int place, int of)
    {
        if (of == 1)
            return;
        if (addition is null)
            throw new InvalidOperationException($"a step has {of} batches, and the largest was to have {most}");
        // Branch k, of 2^k batches, waits where bit k of the number of batches before is 1.
        bool last = place == of - 1;
        int level = 0;
        for (; last ? place >> level != 0 : (place >> level & 1) != 0; level++)
        {
            if ((place >> level & 1) != 0)
                addition.Add(branches[level], parameters.Gradients, parameters.Gradients);
        }

        if (!last)
            addition.Copy(parameters.Gradients, branches[level]);
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        foreach (Tensor branch in branches)
            branch.Dispose();
    }
}
