namespace Ds2.Runtime.Training;

/// <summary>The learning rate of every step of a run.</summary>
/// <remarks>lr / anneal^epoch, as the benchmark's reference has it; over the first steps of the run this is multiplied by (step + 1) / warmupSteps, a linear warm-up (Goyal et al., arXiv:1706.02677,
/// section 2.2).</remarks>
/// <param name="options">Rate, division and warm-up.</param>
public sealed class LearningRateSchedule(TrainingOptions options)
{
    /// <summary>The rate of a step.</summary>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="steps">Steps that the run has taken before.</param>
    public double Rate(int epoch, int steps)
    {
        double rate = options.Lr / Math.Pow(options.Anneal, epoch);
        return steps < options.WarmupSteps ? rate * (steps + 1) / options.WarmupSteps : rate;
    }
}
