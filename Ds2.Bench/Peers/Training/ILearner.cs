using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;

namespace Ds2.Bench.Peers.Training;

/// <summary>A library with a model in it that is trained batch by batch.</summary>
internal interface ILearner : IDisposable
{
    /// <summary>A step: forward, loss, backward, clipping, update; done when it returns.</summary>
    /// <param name="batch">Long enough for an output frame.</param>
    /// <param name="step">The number of this step, from 1.</param>
    /// <param name="learningRate">The step size.</param>
    /// <returns>The batch's mean loss, nats.</returns>
    double Train(Batch batch, int step, double learningRate);

    /// <summary>The logits of a batch that is long enough for an output frame, as in recognition.</summary>
    BatchLogits Hear(Batch batch);
}
