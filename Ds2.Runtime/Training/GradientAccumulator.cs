using Ds2.Kernels.Ops;
using Ds2.Runtime.Distributed;
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
    private readonly List<Tensor> joining = [];
    private readonly Addition addition = Addition.On(parameters.Engine);

    /// <summary>Tensors as large as all gradients that wait beside them.</summary>
    public int Buffers { get; } = SumTree.MostWaiting(first, end);

    /// <summary>The branches of the rank's batches, in order, once its last one was announced; the last of them in the parameter set's own gradients, wherever it was joined (<see cref="Join"/>).</summary>
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
        joining.Clear();
    }

    /// <summary>Takes in the gradients of a batch that is not the rank's last, which stand in the parameter set. Queued, not waited for.</summary>
    /// <param name="place">The batch's place in its step; each of the rank's in turn.</param>
    /// <exception cref="InvalidOperationException">More branches would wait than there are buffers.</exception>
    public void Add(int place)
    {
        SumTree.Push(waiting, new Branch(place, 1), parameters.Gradients, (earlier, gradients) =>
        {
            Free(earlier);
            addition.Add(earlier, gradients, gradients);
            return gradients;
        });
        if (free.Count == 0)
            throw new InvalidOperationException($"batch {place} is beyond the {end - first} that the rank was to have of a step, or Reserve was not called");
        addition.Copy(parameters.Gradients, free.Peek());
        waiting[^1] = (waiting[^1].Branch, free.Pop());
    }

    /// <summary>Before the backward pass of the rank's last batch, or after it: its gradients stay where they are, and <see cref="Join"/> adds what they are to be joined with.</summary>
    /// <param name="place">The batch's place in its step.</param>
    public void AddLast(int place) => SumTree.Push(waiting, new Branch(place, 1), parameters.Gradients, (earlier, gradients) =>
    {
        Free(earlier);
        joining.Add(earlier);
        return gradients;
    });

    /// <summary>Joins the last batch's branch in a stretch of the gradients that its backward pass is done with. Queued, not waited for.</summary>
    public void Join(Stretch stretch)
    {
        foreach (Tensor earlier in joining)
            AddIn(earlier, stretch);
    }

    /// <summary>Where the rank has all batches of the step: leaves their sum in the parameter set's gradients. Queued, not waited for.</summary>
    public void AddUp()
    {
        var whole = new Stretch(0, parameters.Gradients.Length);
        Join(whole);
        SumTree.Total(waiting, (earlier, gradients) =>
        {
            AddIn(earlier, whole);
            return gradients;
        });
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        foreach (Tensor buffer in buffers)
            buffer.Dispose();
    }

    /// <summary>Adds a branch that waited to what stands in the parameter set.</summary>
    private void AddIn(Tensor earlier, Stretch stretch)
    {
        var shape = new Shape(stretch.Length);
        Tensor gradients = parameters.Gradients.Slice(stretch.Offset, shape);
        addition.Add(earlier.Slice(stretch.Offset, shape), gradients, gradients);
    }

    private void Free(Tensor sum)
    {
        if (sum != parameters.Gradients)
            free.Push(sum);
    }
}
