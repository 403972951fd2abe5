using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>Adds up the gradients of a step's batches on one rank, by <see cref="SumTree"/>.</summary>
/// <param name="parameters">Whose gradients; each batch leaves its own there.</param>
/// <param name="first">The place of the rank's first batch in a whole step.</param>
/// <param name="end">The place after its last one's.</param>
internal sealed class GradientAccumulator(ParameterSet parameters, int first, int end) : IDisposable
{
    private readonly List<Tensor> buffers = [];
    private readonly Stack<Tensor> free = new();
    private readonly List<(Branch Branch, Tensor Sum)> waiting = [];
    private readonly Addition addition = Addition.On(parameters.Engine);

    /// <summary>Tensors as large as all gradients that wait beside them.</summary>
    public int Buffers { get; } = SumTree.MostWaiting(first, end);

    /// <summary>The branches of the rank's batches, in order, once its last one was added; the last of them in the parameter set's own gradients.</summary>
    public IReadOnlyList<(Branch Branch, Tensor Sum)> Branches => waiting;

    /// <summary>Takes the memory, once.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve()
    {
        while (buffers.Count < Buffers)
        {
            buffers.Add(parameters.Engine.Allocate(parameters.Gradients.Shape));
            free.Push(buffers[^1]);
        }
    }

    /// <summary>Begins a step.</summary>
    public void Begin()
    {
        foreach ((_, Tensor sum) in waiting)
            Free(sum);
        waiting.Clear();
    }

    /// <summary>Takes in the gradients that stand in the parameter set. Queued, not waited for.</summary>
    /// <param name="place">The batch's place in its step; each of the rank's in turn.</param>
    /// <param name="isLast">Whether it is the rank's last: its branch stays where it is.</param>
    /// <exception cref="InvalidOperationException">More branches would wait than there are buffers.</exception>
    public void Add(int place, bool isLast)
    {
        SumTree.Push(waiting, new Branch(place, 1), parameters.Gradients, (earlier, gradients) =>
        {
            Free(earlier);
            return Join(earlier, gradients);
        });
        if (isLast)
            return;
        if (free.Count == 0)
            throw new InvalidOperationException($"batch {place} is beyond the {end - first} that the rank was to have of a step, or Reserve was not called");
        addition.Copy(parameters.Gradients, free.Peek());
        waiting[^1] = (waiting[^1].Branch, free.Pop());
    }

    /// <summary>Where the rank has all batches of the step: leaves their sum in the parameter set's gradients.</summary>
    public void AddUp() => SumTree.Total(waiting, Join);

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        foreach (Tensor buffer in buffers)
            buffer.Dispose();
    }

    /// <summary>Adds a branch that waited to what stands in the parameter set.</summary>
    private Tensor Join(Tensor earlier, Tensor gradients)
    {
        addition.Add(earlier, gradients, gradients);
        return gradients;
    }

    private void Free(Tensor sum)
    {
        if (sum != parameters.Gradients)
            free.Push(sum);
    }
}
