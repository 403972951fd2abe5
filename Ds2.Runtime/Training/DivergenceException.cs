namespace Ds2.Runtime.Training;

/// <summary>A run cannot go on as it was asked to: a loss, a gradient or the parameters are no finite numbers. The message is one line for the user.</summary>
/// <param name="message">What, where, and how to go on.</param>
public sealed class DivergenceException(string message) : Exception(message)
{
    /// <summary>A step whose loss or gradient is not finite; it changed nothing.</summary>
    /// <param name="epoch">From 1.</param>
    /// <param name="batch">The step's number in the epoch, from 1.</param>
    /// <param name="loss">Its mean loss.</param>
    /// <param name="gradientNorm">Before clipping.</param>
    /// <param name="utterances">Among which the cause is: all of the step, or those of its batches whose loss is not finite.</param>
    /// <param name="checkpoint">The checkpoint that stands before the step; null if the parameters themselves are beyond saving.</param>
    internal static DivergenceException OfBatch(
        int epoch, int batch, double loss, double gradientNorm, IEnumerable<string> utterances, string? checkpoint)
    {
        string what = double.IsFinite(loss) ? $"the gradient norm is {gradientNorm}" : $"the loss is {loss}";
        string next = checkpoint is null
            ? "an earlier step has thrown the parameters beyond fp32's range, so nothing is saved; go back to an earlier checkpoint, with a smaller lr or maxNorm"
            : $"it changed nothing, and {checkpoint} stands before it; resume with a smaller lr or maxNorm, or leave such batches out with onNonFinite=skip";
        return new DivergenceException($"epoch {epoch}, batch {batch}: {what} (utterances {string.Join(", ", utterances)}): {next}");
    }

    /// <summary>A whole epoch of such batches.</summary>
    internal static DivergenceException OfEpoch(int epoch, int batches) => new(
        $"epoch {epoch}: the loss or gradient of every batch was not finite, or a spike ({batches} left out), so nothing is learnt any more; go back to an earlier checkpoint, with a smaller lr or maxNorm");

    /// <summary>Parameters or optimiser state that must not replace a good checkpoint.</summary>
    internal static DivergenceException OfParameters(string checkpoint) => new(
        $"{checkpoint}: not written: the parameters or the optimiser's state are not finite; go back to an earlier checkpoint, with a smaller lr or maxNorm");
}
