using Ds2.Kernels.Ops;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>Clips the gradients of all parameters by their global norm and updates the parameters, on the device.</summary>
public abstract class Optimizer : IDisposable
{
    private readonly GradientNorm norm;
    private readonly Workspace workspace;
    private readonly float maxNorm;
    private readonly float[] clipValues = new float[2];
    private readonly List<(string Name, Tensor State)> states = [];
    private readonly IReadOnlyList<(int Offset, int StateOffset, Shape Shape)> trained;
    private readonly IReadOnlyList<(int Offset, Shape Shape)> frozen;

    /// <summary>An optimiser for a model's parameters.</summary>
    /// <param name="parameters">What is updated; those that are frozen by now stay as they are.</param>
    /// <param name="maxNorm">The gradient norm is clipped to this.</param>
    /// <param name="workspace">Scratch memory.</param>
    /// <param name="share">The stretches of the parameters that it updates, and keeps its state for; null for all.</param>
    /// <param name="matricesApart">Whether the matrices are not updated with the stretches that they are in, but each on its own.</param>
    private protected Optimizer(ParameterSet parameters, double maxNorm, Workspace workspace, IReadOnlyList<Stretch>? share, bool matricesApart = false)
    {
        Parameters = parameters;
        Share = share ?? [new Stretch(0, parameters.Values.Length)];
        this.maxNorm = (float)maxNorm;
        this.workspace = workspace;
        norm = GradientNorm.On(parameters.Engine);
        IReadOnlyList<(int Offset, Shape Shape)> updated = parameters.Stretches(parameter => !parameter.IsFrozen && !(matricesApart && parameter.Matrices is not null));
        trained = [.. updated.SelectMany(stretch => OwnOf(new Stretch(stretch.Offset, stretch.Shape.Length))).Select(own => (own.Stretch.Offset, own.StateOffset, new Shape(own.Stretch.Length)))];
        frozen = parameters.Stretches(parameter => parameter.IsFrozen);
        Clip = parameters.Engine.Allocate(new Shape(2));
    }

    /// <summary>The stretches of the parameters that it updates, in order.</summary>
    public IReadOnlyList<Stretch> Share { get; }

    /// <summary>What it keeps between steps: of the stretches of <see cref="Share"/>, one after the other.</summary>
    public IReadOnlyList<(string Name, Tensor State)> States => states;

    /// <summary>The gradient norm, before clipping, of the last step; not finite means that the step changed nothing, running statistics included.</summary>
    /// <remarks>The engine must have been waited for since (<see cref="IEngine.Synchronize"/>).</remarks>
    public double LastGradientNorm => clipValues[0];

    /// <summary>What it updates.</summary>
    private protected ParameterSet Parameters { get; }

    /// <summary>[2]: the gradient norm and the clipping factor.</summary>
    private protected Tensor Clip { get; }

    /// <summary>The optimiser that the options ask for.</summary>
    /// <param name="options">The options.</param>
    /// <param name="parameters">What is updated; those that are frozen by now stay as they are.</param>
    /// <param name="workspace">Scratch memory.</param>
    /// <param name="share">The stretches that it updates; null for all. They cut no matrix where the optimiser takes them as a whole (<see cref="TakesMatrices"/>).</param>
    public static Optimizer Create(TrainingOptions options, ParameterSet parameters, Workspace workspace, IReadOnlyList<Stretch>? share = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.Optimizer switch
        {
            OptimizerKind.Sgd => new SgdOptimizer(options, parameters, workspace, share),
            OptimizerKind.AdamW => new AdamWOptimizer(options, parameters, workspace, share),
            OptimizerKind.Muon => new MuonOptimizer(options, parameters, workspace, share),
            _ => throw new ArgumentException($"no optimiser {options.Optimizer}", nameof(options)),
        };
    }

    /// <summary>Whether the optimiser that the options ask for updates each matrix as a whole.</summary>
    public static bool TakesMatrices(TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.Optimizer == OptimizerKind.Muon;
    }

    /// <summary>One step with the gradients that stand in the parameter set; queued, not waited for.</summary>
    /// <param name="step">The number of this step in the run, from 1.</param>
    /// <param name="learningRate">The step size.</param>
    public void Step(int step, double learningRate)
    {
        Measure();
        Apply(step, learningRate);
    }

    /// <summary>The first half of <see cref="Step"/>: the gradients' norm and the clipping factor. Nothing moves yet.</summary>
    public void Measure()
    {
        ClearFrozen();
        workspace.Reserve(norm.WorkspaceFor(Parameters.Gradients.Length));
        norm.Compute(Parameters.Gradients, maxNorm, Clip, workspace);
        Clip.CopyToLater(clipValues);
    }

    /// <summary>In place of <see cref="Measure"/>, where the squares are added up elsewhere.</summary>
    /// <param name="squares">The sum of the squares of all gradients; those of frozen parameters do not count.</param>
    /// <returns>The norm; not finite means that <see cref="Apply"/> will change nothing.</returns>
    public double ClipBy(double squares)
    {
        (clipValues[0], clipValues[1]) = GradientNorm.ClipFor(squares, maxNorm);
        Clip.CopyFrom(clipValues);
        return clipValues[0];
    }

    /// <summary>Sets the gradients of frozen parameters to zero; they do not count in the norm.</summary>
    public void ClearFrozen()
    {
        foreach ((int offset, Shape shape) in frozen)
            Parameters.Gradients.Slice(offset, shape).Fill(0);
    }

    /// <summary>The second half of <see cref="Step"/>: moves the parameters, unless the norm is not finite.</summary>
    /// <param name="step">The number of this step in the run, from 1.</param>
    /// <param name="learningRate">The step size.</param>
    public void Apply(int step, double learningRate)
    {
        foreach ((int offset, int stateOffset, Shape shape) in trained)
            Update(step, (float)learningRate, tensor => tensor.Slice(offset, shape), state => state.Slice(stateOffset, shape));
        UpdateMatrices((float)learningRate);
        Parameters.RestoreStatistics(Clip);
    }

    /// <summary>In place of <see cref="Apply"/>: takes the running statistics back, and leaves all else as it is.</summary>
    public void Discard()
    {
        Clip.CopyFrom([clipValues[0], 0]);
        Parameters.RestoreStatistics(Clip);
    }

    /// <summary>Whether parameters and state are finite numbers, all of them; waits for the engine.</summary>
    public bool IsSound()
    {
        var result = new float[2];
        workspace.Reserve(norm.WorkspaceFor(Parameters.Values.Length));
        foreach (Tensor tensor in states.Select(state => state.State).Prepend(Parameters.Values))
        {
            norm.Compute(tensor, maxNorm, Clip, workspace);
            Clip.CopyTo(result);
            if (!float.IsFinite(result[0]))
                return false;
        }

        return true;
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        Clip.Dispose();
        foreach ((_, Tensor state) in states)
            state.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Updates a stretch of the parameters, by the clipped gradients.</summary>
    /// <param name="step">The number of this step in the run, from 1.</param>
    /// <param name="learningRate">The step size.</param>
    /// <param name="window">The stretch of a tensor that is laid out as <see cref="ParameterSet.Values"/>.</param>
    /// <param name="kept">The stretch of a state.</param>
    private protected abstract void Update(int step, float learningRate, Func<Tensor, Tensor> window, Func<Tensor, Tensor> kept);

    /// <summary>Updates the matrices, where they are apart.</summary>
    private protected virtual void UpdateMatrices(float learningRate)
    {
    }

    /// <summary>What the share has of a stretch of the parameters, and where the state of it begins.</summary>
    internal IEnumerable<(Stretch Stretch, int StateOffset)> OwnOf(Stretch stretch)
    {
        int kept = 0;
        foreach (Stretch owned in Share)
        {
            Stretch common = owned.Common(stretch);
            if (common.Length > 0)
                yield return (common, kept + common.Offset - owned.Offset);
            kept += owned.Length;
        }
    }

    /// <summary>A zeroed tensor as long as the share, kept between steps.</summary>
    private protected Tensor DeclareState(string name)
    {
        Tensor state = Parameters.Engine.Allocate(new Shape(Share.Sum(owned => owned.Length)));
        states.Add((name, state));
        return state;
    }

    private sealed class SgdOptimizer : Optimizer
    {
        private readonly TrainingOptions options;
        private readonly Sgd sgd;
        private readonly Tensor velocity;

        public SgdOptimizer(TrainingOptions options, ParameterSet parameters, Workspace workspace, IReadOnlyList<Stretch>? share)
            : base(parameters, options.MaxNorm, workspace, share)
        {
            this.options = options;
            sgd = Sgd.On(parameters.Engine);
            velocity = DeclareState("momentum_buffer");
        }

        private protected override void Update(int step, float learningRate, Func<Tensor, Tensor> window, Func<Tensor, Tensor> kept) => sgd.Step(
            new SgdOptions(learningRate, (float)options.Momentum, (float)options.WeightDecay, Nesterov: options.Momentum > 0),
            Clip, window(Parameters.Gradients), window(Parameters.Values), kept(velocity));
    }

    private class AdamWOptimizer : Optimizer
    {
        private readonly TrainingOptions options;
        private readonly AdamW adamW;
        private readonly Tensor secondMoment;

        public AdamWOptimizer(TrainingOptions options, ParameterSet parameters, Workspace workspace, IReadOnlyList<Stretch>? share, bool matricesApart = false)
            : base(parameters, options.MaxNorm, workspace, share, matricesApart)
        {
            this.options = options;
            adamW = AdamW.On(parameters.Engine);
            FirstMoment = DeclareState("exp_avg");
            secondMoment = DeclareState("exp_avg_sq");
        }

        private protected Tensor FirstMoment { get; }

        private protected override void Update(int step, float learningRate, Func<Tensor, Tensor> window, Func<Tensor, Tensor> kept) => adamW.Step(
            new AdamWOptions(learningRate, Beta2: (float)options.Beta2, WeightDecay: (float)options.WeightDecay), step,
            Clip, window(Parameters.Gradients), window(Parameters.Values), kept(FirstMoment), kept(secondMoment));
    }

    /// <summary>The matrices' momentum is the first moment; their part of the second one stays zero.</summary>
    private sealed class MuonOptimizer : AdamWOptimizer
    {
        private readonly TrainingOptions options;
        private readonly Muon muon;

        public MuonOptimizer(TrainingOptions options, ParameterSet parameters, Workspace workspace, IReadOnlyList<Stretch>? share)
            : base(options, parameters, workspace, share, matricesApart: true)
        {
            this.options = options;
            muon = Muon.On(parameters.Engine);
            foreach (IGrouping<MuonShape, (Parameter, int)> alike in Matrices.GroupBy(own => own.Parameter.Matrices!.Value))
                workspace.Reserve(muon.WorkspaceFor(alike.Key, alike.Count()));
        }

        /// <summary>Those of the share, which cuts none, and where the state of each begins.</summary>
        private IEnumerable<(Parameter Parameter, int StateOffset)> Matrices => Parameters.Parameters
            .Where(parameter => !parameter.IsFrozen && parameter.Matrices is not null)
            .SelectMany(parameter => OwnOf(new Stretch(Parameters.OffsetOf(parameter), parameter.Shape.Length)).Select(own => (parameter, own.StateOffset)));

        private protected override void UpdateMatrices(float learningRate)
        {
            var step = new MuonOptions(learningRate, (float)options.Momentum, (float)options.WeightDecay);
            foreach (IGrouping<MuonShape, (Parameter Parameter, int StateOffset)> alike in Matrices.GroupBy(own => own.Parameter.Matrices!.Value))
            {
                Shape shape = alike.Key.Shape;
                muon.Step(
                    step, alike.Key, Clip,
                    [.. alike.Select(own => new MuonTensors(own.Parameter.Gradient.Reshape(shape), own.Parameter.Values.Reshape(shape), FirstMoment.Slice(own.StateOffset, shape)))],
                    workspace);
            }
        }
    }
}
