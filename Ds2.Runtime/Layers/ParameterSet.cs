using Ds2.Kernels.Ops;
using MathNet.Numerics.Random;

namespace Ds2.Runtime.Layers;

/// <summary>All parameters of a model in one block of memory, their gradients in another, and the tensors that are kept but not trained.</summary>
/// <remarks>
/// One block each, so that zeroing, the gradient norm and a step of SGD or AdamW are one launch for the whole model. Layers declare while they are
/// built; <see cref="Allocate"/> then lays the parameters out in the order of declaration, each at a multiple of 64 elements. The gaps stay zero.
/// </remarks>
/// <param name="engine">The engine whose memory they take.</param>
public sealed class ParameterSet(IEngine engine) : IDisposable
{
    private readonly List<Parameter> parameters = [];
    private readonly List<(Parameter Parameter, float Bound, float Constant)> initial = [];
    private readonly List<(Statistic Statistic, float Constant)> statistics = [];
    private readonly List<Tensor> derived = [];
    private readonly Rollback rollback = Rollback.On(engine);
    private Tensor? values;
    private Tensor? gradients;
    private Tensor? statisticValues;
    private Tensor? keptStatistics;
    private bool collects;

    /// <summary>The engine whose memory they take.</summary>
    public IEngine Engine { get; } = engine;

    /// <summary>The parameters, in order of declaration.</summary>
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>What is kept but not trained: running means and variances, by their names in PyTorch's state dict.</summary>
    public IReadOnlyList<(string Name, Tensor Values)> Statistics => [.. statistics.Select(declared => (declared.Statistic.Name, declared.Statistic.Values))];

    /// <summary>All parameters, one after the other. Where some are still on their way from other ranks, they are waited for.</summary>
    /// <exception cref="InvalidOperationException"><see cref="Allocate"/> was not called.</exception>
    public Tensor Values
    {
        get
        {
            BeforeRead?.Invoke(int.MaxValue);
            return values ?? throw new InvalidOperationException("the parameter set is not allocated");
        }
    }

    /// <summary>Called before values are read, with an element of <see cref="Values"/>: returns when all below it are there. Null where all always are.</summary>
    internal Action<int>? BeforeRead { get; set; }

    /// <summary>Whether there is memory for gradients; a model that only recognizes has none.</summary>
    public bool HasGradients => gradients is not null;

    /// <summary>All gradients, laid out as <see cref="Values"/>.</summary>
    /// <exception cref="InvalidOperationException"><see cref="Allocate"/> was not called, or was told to leave them out.</exception>
    public Tensor Gradients => gradients ?? throw new InvalidOperationException("the parameter set has no gradients: it is not allocated, or for inference alone");

    /// <summary>
    /// Another number whenever the values may be others: what a layer has made of them serves for as long as it stays. Null where there are gradients: training writes to the values by ops (optimisers, sums
    /// over devices) that nobody counts, so nothing made of them may be kept.
    /// </summary>
    internal int? Version => HasGradients ? null : Values.HostWrites;

    /// <summary>The number of trained values.</summary>
    public long Count => parameters.Sum(parameter => (long)parameter.Shape.Length);

    /// <summary>The stretches of <see cref="Values"/> that hold parameters of one kind.</summary>
    /// <param name="belongs">Whether a parameter is of that kind.</param>
    internal IReadOnlyList<(int Offset, Shape Shape)> Stretches(Predicate<Parameter> belongs)
    {
        var stretches = new List<(int Offset, Shape Shape)>();
        int offset = 0;
        foreach (Parameter parameter in parameters)
        {
            int length = Workspace.Round(parameter.Shape.Length);
            if (belongs(parameter))
            {
                if (stretches is [.., var last] && last.Offset + last.Shape.Length == offset)
                    stretches[^1] = (last.Offset, new Shape(last.Shape.Length + length));
                else
                    stretches.Add((offset, new Shape(length)));
            }

            offset += length;
        }

        return stretches;
    }

    /// <summary>Declares a parameter that starts uniformly distributed in -bound..bound.</summary>
    /// <param name="name">Its name in PyTorch's state dict.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="bound">The bound.</param>
    /// <param name="matrices">Into how many matrices its rows divide; 0 for what is no matrix to an optimiser.</param>
    public Parameter DeclareUniform(string name, Shape shape, double bound, int matrices = 0) => Declare(name, shape, (float)bound, 0, matrices);

    /// <summary>Declares a parameter that starts with one value everywhere.</summary>
    public Parameter DeclareConstant(string name, Shape shape, float value) => Declare(name, shape, 0, value);

    /// <summary>Declares a tensor that is kept with the model but not trained; it starts with one value everywhere.</summary>
    public Statistic DeclareStatistic(string name, Shape shape, float value)
    {
        var statistic = new Statistic(name, shape);
        statistics.Add((statistic, value));
        return statistic;
    }

    /// <summary>Takes the memory for all that was declared and fills it with initial values.</summary>
    /// <param name="seed">The same seed gives the same values on every engine; null leaves all parameters zero, for a file's values to take their place.</param>
    /// <param name="gradients">Whether to take memory for training too: gradients, and a copy of the running statistics.</param>
    /// <exception cref="InvalidOperationException">It was called before.</exception>
    public void Allocate(int? seed, bool gradients = true)
    {
        if (values is not null)
            throw new InvalidOperationException("the parameter set is allocated already");
        int length = parameters.Sum(parameter => Workspace.Round(parameter.Shape.Length));
        values = Engine.Allocate(new Shape(length));
        this.gradients = gradients ? Engine.Allocate(new Shape(length)) : null;
        Xoshiro256StarStar? random = seed is { } known ? new Xoshiro256StarStar(known) : null;
        int offset = 0;
        foreach ((Parameter parameter, float bound, float constant) in initial)
        {
            int end = offset + parameter.Shape.Length;
            parameter.Bind(values.Slice(offset, parameter.Shape), this.gradients?.Slice(offset, parameter.Shape), () => BeforeRead?.Invoke(end));
            offset += Workspace.Round(parameter.Shape.Length);
            if (random is null)
                continue;
            if (bound == 0)
                parameter.Values.Fill(constant);
            else
                parameter.Values.CopyFrom(Uniform(random, parameter.Shape.Length, bound));
        }

        AllocateStatistics();
    }

    /// <summary>Memory for what a layer makes of its parameters; given back with theirs.</summary>
    internal Tensor AllocateDerived(Shape shape)
    {
        derived.Add(Engine.Allocate(shape));
        return derived[^1];
    }

    /// <summary>Begins a step, before its first forward pass: gradients become zero, and the running statistics, which forward passes move, are remembered.</summary>
    public void BeginStep()
    {
        Gradients.Fill(0);
        if (collects)
            keptStatistics!.Fill(0);
        else
            rollback.Keep(statisticValues!, keptStatistics!);
    }

    /// <summary>From now on a forward pass of training leaves the running statistics as they are, and what it would add to them stands in <see cref="Collected"/>.</summary>
    /// <remarks>That is how the batches of a step, which may be on several devices, move the statistics in the order of their places (<see cref="MoveStatistics"/>). A pass's own contribution, momentum times the
    /// batch's statistic, is what it makes of statistics that are zero.</remarks>
    internal void CollectStatistics()
    {
        collects = true;
        int offset = 0;
        foreach ((Statistic statistic, _) in statistics)
        {
            statistic.MoveApart(keptStatistics!.Slice(offset, statistic.Shape));
            offset += Workspace.Round(statistic.Shape.Length);
        }
    }

    /// <summary>What the pass since <see cref="BeginStep"/> adds to the running statistics: momentum times the batch's own; all statistics one after the other, each at a multiple of 64 elements.</summary>
    internal Tensor Collected => collects ? keptStatistics! : throw new InvalidOperationException("CollectStatistics comes first");

    /// <summary>Moves the running statistics as the batches of a step would one after the other; waits for the engine.</summary>
    /// <param name="batches">What each added (<see cref="Collected"/>), in order.</param>
    internal void MoveStatistics(IEnumerable<float[]> batches)
    {
        float[] old = statisticValues!.ToArray(), moved = [.. old];
        foreach (float[] added in batches)
        {
            for (int i = 0; i < moved.Length; i++)
                moved[i] = (1 - Normalization.Momentum) * moved[i] + added[i];
        }

        int offset = 0;
        foreach ((Statistic statistic, _) in statistics)
        {
            // As Rollback has it: where the device's own step would not keep a value, it stays.
            for (int i = offset; i < offset + statistic.Shape.Length; i++)
                moved[i] = statistic.IsFrozen || !float.IsFinite(moved[i]) ? old[i] : moved[i];
            offset += Workspace.Round(statistic.Shape.Length);
        }

        statisticValues.CopyFrom(moved);
    }

    /// <summary>Takes the running statistics back to the last <see cref="BeginStep"/> if the step that moved them is left out; queued, not waited for.</summary>
    /// <param name="clip">[2]: the gradient norm and the clipping factor, 0 where the norm is not finite.</param>
    public void RestoreStatistics(Tensor clip)
    {
        if (!collects)
            rollback.Apply(clip, keptStatistics!, statisticValues!);
    }

    /// <summary>A window of a tensor laid out as <see cref="Values"/> (an optimiser's state) that belongs to one parameter.</summary>
    public Tensor WindowOf(Parameter parameter, Tensor likeValues) => likeValues.Slice(OffsetOf(parameter), parameter.Shape);

    /// <summary>A parameter's first element in <see cref="Values"/>.</summary>
    internal int OffsetOf(Parameter parameter) => parameters.TakeWhile(other => other != parameter).Sum(other => Workspace.Round(other.Shape.Length));

    /// <summary>Gives all memory back.</summary>
    public void Dispose()
    {
        values?.Dispose();
        gradients?.Dispose();
        statisticValues?.Dispose();
        keptStatistics?.Dispose();
        foreach (Tensor tensor in derived)
            tensor.Dispose();
    }

    private void AllocateStatistics()
    {
        int length = statistics.Sum(declared => Workspace.Round(declared.Statistic.Shape.Length));
        statisticValues = Engine.Allocate(new Shape(length));
        keptStatistics = HasGradients ? Engine.Allocate(new Shape(length)) : null;
        int offset = 0;
        foreach ((Statistic statistic, float constant) in statistics)
        {
            statistic.Bind(statisticValues.Slice(offset, statistic.Shape));
            statistic.Values.Fill(constant);
            offset += Workspace.Round(statistic.Shape.Length);
        }
    }

    private static float[] Uniform(Xoshiro256StarStar random, int length, float bound)
    {
        var sample = new float[length];
        for (int i = 0; i < length; i++)
            sample[i] = (float)((2 * random.NextDouble() - 1) * bound);
        return sample;
    }

    private Parameter Declare(string name, Shape shape, float bound, float constant, int matrices = 0)
    {
        var parameter = new Parameter(name, shape, matrices);
        parameters.Add(parameter);
        initial.Add((parameter, bound, constant));
        return parameter;
    }
}
