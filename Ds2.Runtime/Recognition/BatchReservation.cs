using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Recognition;

/// <summary>Takes the memory of a set's largest batches before the first one, rather than to find in the middle, or at the end where the longest stand, that there is not enough.</summary>
internal static class BatchReservation
{
    /// <summary>Takes the memory of one size.</summary>
    /// <param name="model">The model.</param>
    /// <param name="size">The batch.</param>
    /// <param name="set">Which set's, with a space behind it; empty for the only one.</param>
    /// <param name="copies">Tensors as large as the parameters that are there besides.</param>
    /// <param name="bytesFor">The bytes that a batch needs.</param>
    /// <param name="reserve">Takes them.</param>
    /// <param name="advice">What to change where there is not enough.</param>
    /// <exception cref="InputException">There is not enough memory.</exception>
    public static void Take(DeepSpeech2 model, BatchSize size, string set, int copies, Func<BatchSize, long> bytesFor, Action<BatchSize> reserve, string advice)
    {
        string batch = $"a {set}batch of {size.Utterances} utterances of up to {size.Frames} frames";
        try
        {
            long bytes = bytesFor(size);
            try
            {
                reserve(size);
            }
            catch (OutOfMemoryException exception)
            {
                throw new InputException(
                    $"{model.Engine.Name}: {bytes:N0} bytes are needed for {batch}, beside {(long)copies * sizeof(float) * model.Parameters.Count:N0} for the parameters: {advice}", exception);
            }
        }
        catch (OverflowException exception)
        {
            throw new InputException($"{batch} has more than 2^31 elements: {advice}", exception);
        }
    }
}
