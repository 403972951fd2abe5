using System.Text.Json.Serialization;
using Ds2.Runtime.Options;

namespace Ds2.Runtime.Training;

/// <summary>The update rules.</summary>
public enum OptimizerKind
{
    /// <summary>Stochastic gradient descent with Nesterov momentum.</summary>
    Sgd,

    /// <summary>Adam with decoupled weight decay.</summary>
    [JsonStringEnumMemberName("adamw")]
    AdamW,

    /// <summary>Muon for the matrices of convolutions and GRUs, AdamW for all else.</summary>
    Muon,
}

/// <summary>How the learning rate changes in the course of a run.</summary>
public enum LearningRateKind
{
    /// <summary>Divided by the same number after every epoch.</summary>
    Anneal,

    /// <summary>Half a cosine wave, from the full rate at the start to zero at the last epoch's end.</summary>
    Cosine,

    /// <summary>A straight line from the full rate at the start to zero at the last epoch's end.</summary>
    Linear,
}

/// <summary>What a run does about a batch whose loss or gradient is NaN or infinite. In neither case has the batch changed anything.</summary>
public enum NonFinitePolicy
{
    /// <summary>Ends, with a checkpoint that stands before the batch. In fp32, with features that are known to be finite, such a batch is the mark of a run
    /// that diverges or of a fault, and neither goes away by training on.</summary>
    Stop,

    /// <summary>Leaves the batch out, reports and counts it, and goes on; ends only after an epoch of nothing else.</summary>
    Skip,
}

/// <summary>How parameters are updated, and when a run ends.</summary>
public sealed record TrainingOptions
{
    /// <summary>Epochs after which the run ends at the latest.</summary>
    [Option("epochs after which the run ends at the latest", Min = 1)]
    public int Epochs { get; init; } = 10;

    /// <summary>The word error rate, in percent, at which the run ends.</summary>
    [Option("the word error rate in percent at which the run ends; 0 for no target: it then ends early only where no word is wrong")]
    public double TargetWer { get; init; } = 23.0;

    /// <summary>Whether there is a target that a run may miss.</summary>
    public bool HasTarget => TargetWer > 0;

    /// <summary>Epochs in a row without a better word error rate after which the run ends; 0 for never.</summary>
    [Option("epochs in a row without a better word error rate after which the run ends; 0 for never", Min = 0)]
    public int Patience { get; init; }

    /// <summary>The update rule: <c>sgd</c>, <c>adamw</c> or <c>muon</c>.</summary>
    [Option("the update rule: SGD with Nesterov momentum, Adam with decoupled weight decay, or Muon (momentum made orthogonal) for the matrices of convolutions and GRUs beside adamw for all else", OnResume = ResumeRule.Fixed)]
    public OptimizerKind Optimizer { get; init; } = OptimizerKind.Sgd;

    /// <summary>How the learning rate changes: <c>anneal</c>, <c>cosine</c> or <c>linear</c>.</summary>
    [Option("how the learning rate falls: divided by anneal after every epoch, or along half a cosine wave or a straight line to zero at the last epoch's end")]
    public LearningRateKind Schedule { get; init; }

    /// <summary>The first epoch's learning rate.</summary>
    [Option("the first epoch's learning rate", Min = 0)]
    public double Lr { get; init; } = 1e-4;

    /// <summary>The learning rate is divided by this after every epoch.</summary>
    [Option("what schedule=anneal divides the learning rate by after every epoch", Above = 0)]
    public double Anneal { get; init; } = 1.1;

    /// <summary>Steps over which the learning rate rises from near zero; 0 for none.</summary>
    [Option("steps over which the learning rate rises linearly to its full height", Min = 0)]
    public int WarmupSteps { get; init; }

    /// <summary>Momentum of <c>sgd</c> and <c>muon</c>.</summary>
    [Option("momentum of sgd and muon", Min = 0, Below = 1)]
    public double Momentum { get; init; } = 0.9;

    /// <summary>L2 penalty of <c>sgd</c>, decoupled decay of <c>adamw</c> and <c>muon</c>.</summary>
    [Option("L2 penalty of sgd, decoupled decay of adamw and muon", Min = 0)]
    public double WeightDecay { get; init; }

    /// <summary>The share of each recurrent layer's outputs that is dropped in training; 0 for none.</summary>
    [Option("dropout: the share of each GRU layer's outputs that is left out, others in every step", Min = 0, Below = 1)]
    public double Dropout { get; init; }

    /// <summary>Adam's decay of the second moment.</summary>
    [Option("decay of adamw's second moment", Min = 0, Below = 1)]
    public double Beta2 { get; init; } = 0.999;

    /// <summary>The gradient norm is clipped to this.</summary>
    [Option("the gradient norm is clipped to this", Above = 0)]
    public double MaxNorm { get; init; } = 400;

    /// <summary>Layers that are left as they are, by name and separated by commas; empty for none.</summary>
    [Option("layers left as they are, parameters and running statistics, by name: conv,rnns.0; empty for none")]
    public string Freeze { get; init; } = "";

    /// <summary>The names in <see cref="Freeze"/>.</summary>
    internal string[] FrozenLayers => Freeze.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>What to do about a batch whose loss or gradient is not finite: <c>stop</c> or <c>skip</c>.</summary>
    [Option("what to do about a batch whose loss or gradient is not finite: end the run, or leave the batch out")]
    public NonFinitePolicy OnNonFinite { get; init; } = NonFinitePolicy.Stop;

    /// <summary>A batch whose loss a label lies so many standard deviations above the mean of those before it is left out; 0 for never.</summary>
    [Option("leave out a batch whose loss a label is so many standard deviations above the last 128 batches' mean; 0 for never", Min = 0)]
    public double SkipLossZ { get; init; }

    /// <summary>A batch whose gradient norm lies so many standard deviations above the mean of those before it is left out; 0 for never.</summary>
    [Option("leave out a batch whose gradient norm is so many standard deviations above the last 128 batches' mean; 0 for never", Min = 0)]
    public double SkipNormZ { get; init; }

    /// <summary>Of initial values and the order of batches.</summary>
    [Option("of initial values, the order of batches and augmentation", OnResume = ResumeRule.ShapesEpoch)]
    public int Seed { get; init; } = 1;
}
