namespace Ds2.Runtime.Training;

/// <summary>The learning rate of every step of a run.</summary>
/// <remarks>
/// <para><c>anneal</c>: lr / anneal^epoch, as the benchmark's reference has it. <c>cosine</c>: lr (1 + cos(pi p)) / 2, where p goes from 0 to 1 over all epochs of the run, step by step (Loshchilov, Hutter,
/// arXiv:1608.03983, without restarts); <c>linear</c>: lr (1 - p). Both end near 0, so a run whose number of epochs is changed on the way has another rate from there on.</para>
/// <para>Over the first steps of the run this is multiplied by (step + 1) / warmupSteps, a linear warm-up (Goyal et al., arXiv:1706.02677, section 2.2).</para>
/// </remarks>
/// <param name="options">Rate, schedule and warm-up.</param>
/// <param name="batchesPerEpoch">Steps of an epoch: batches, unless several make a step.</param>
public sealed class LearningRateSchedule(TrainingOptions options, int batchesPerEpoch)
{
    /// <summary>The rate of a step.</summary>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="batch">Steps of the epoch before.</param>
    /// <param name="steps">Steps that the run has taken before.</param>
    public double Rate(int epoch, int batch, int steps)
    {
        double done = Math.Min((epoch + (double)batch / batchesPerEpoch) / options.Epochs, 1);
        double rate = options.Lr * options.Schedule switch
        {
            LearningRateKind.Cosine => (1 + Math.Cos(Math.PI * done)) / 2,
            LearningRateKind.Linear => 1 - done,
            _ => 1,
        };
        if (options.Schedule == LearningRateKind.Anneal)
            rate = options.Lr / Math.Pow(options.Anneal, epoch);
        return steps < options.WarmupSteps ? rate * (steps + 1) / options.WarmupSteps : rate;
    }
}
