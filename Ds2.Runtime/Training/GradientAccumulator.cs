using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>Adds up the gradients of a step's batches on one rank, by <see cref="SumTree"/>.</summary>
/// <param name="parameters">Whose gradients; each batch leaves its own there.</param>
/// <param name="first">The place of the rank's first batch in a whole step.</param>
/// <param name="end">The place after its last one's.</param>
internal sealed class GradientAccumulator(ParameterSet parameters, int first, int end) : IDisposable
{
    private readonly Stack<Tensor> free = new();
    private readonly List<(Branch Branch, Tensor Sum)> waiting = [];
    private readonly Addition addition = Addition.On(parameters.Engine);
    private Branch? last;

    /// <summary>Tensors as large as all gradients that wait beside them.</summary>
    public int Buffers { get; } = SumTree.MostWaiting(first, end);

    /// <summary>The branches of the rank's batches, in order, once its last one was added; the last of them in the parameter set's own gradients.</summary>
    public IReadOnlyList<(Branch Branch, Tensor Sum)> Branches => last is { } branch ? [.. waiting, (branch, parameters.Gradients)] : [];

    /// <summary>Takes the memory, once.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve()
    {
        while (free.Count + waiting.Count < Buffers)
            free.Push(parameters.Engine.Allocate(parameters.Gradients.Shape));
    }

    /// <summary>Begins a step.</summary>
    public void Begin()
    {
        foreach ((_, Tensor sum) in waiting)
            free.Push(sum);
        waiting.Clear();
        last = null;
    }

    /// <summary>Takes in the gradients that stand in the parameter set. Queued, not waited for.</summary>
    /// <param name="place">The batch's place in its step; each of the rank's in turn.</param>
    /// <param name="isLast">Whether it is the rank's last: its branch stays where it is.</param>
    /// <exception cref="InvalidOperationException">More branches would wait than there are buffers.</exception>
    public void Add(int place, bool isLast)
    {
        var branch = new Branch(place, 1);
        while (waiting is [.., var before] && before.Branch.IsHalfWith(branch))
        {
            addition.Add(before.Sum, parameters.Gradients, parameters.Gradients);
            branch = before.Branch.With(branch);
            free.Push(before.Sum);
            waiting.RemoveAt(waiting.Count - 1);
        }

        if (isLast)
        {
            last = branch;
            return;
        }

        if (free.Count == 0)
            throw new InvalidOperationException($"batch {place} is beyond the {end - first} that the rank was to have of a step, or Reserve was not called");
        addition.Copy(parameters.Gradients, free.Peek());
        waiting.Add((branch, free.Pop()));
    }

    /// <summary>Where the rank has all batches of the step: leaves their sum in the parameter set's gradients.</summary>
    public void AddUp()
    {
        for (int i = waiting.Count - 1; i >= 0; i--)
            addition.Add(waiting[i].Sum, parameters.Gradients, parameters.Gradients);
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        Begin();
        foreach (Tensor tensor in free)
            tensor.Dispose();
    }
}
