using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Peers.Training;

/// <summary>How far the two libraries are apart on one batch, before anything is timed: whether it is the same model and the same loss, padding included.</summary>
/// <param name="Loss">The difference of the losses, relative.</param>
/// <param name="Gradients">||ours - libtorch's|| / ||libtorch's||, all parameters together.</param>
/// <param name="Statistics">The same of the running means and variances after the batch.</param>
/// <param name="Logits">The same of the valid frames' logits in recognition, by those statistics.</param>
internal sealed record FirstBatch(double Loss, double Gradients, double Statistics, double Logits)
{
    private const double WrongResult = 1e-3;

    /// <summary>Compares models that are made for this and thrown away.</summary>
    /// <param name="options">The run's options; dropout, whose masks differ, is left out.</param>
    /// <param name="engine">Ours.</param>
    /// <param name="batch">The batch.</param>
    /// <exception cref="InvalidOperationException">Something differs by more than rounding.</exception>
    public static FirstBatch Compare(RunOptions options, IEngine engine, Batch batch)
    {
        options = options with { Training = options.Training with { Dropout = 0 } };
        using var ours = new Ds2Learner(options, engine);
        StepPair.KeepFromKinks(ours.Model);
        using var theirs = new TorchLearner(options.Training, ours.Model);
        double ourLoss = ours.Differentiate(batch, dropoutKey: 0), theirLoss = theirs.Differentiate(batch);
        return new FirstBatch(
            Checked("losses", Math.Abs(ourLoss - theirLoss) / theirLoss),
            Checked("gradients", theirs.Model.GradientDifference(ours.Model.Parameters)),
            Checked("running statistics", StatisticDifference(ours, theirs)),
            Checked("logits", LogitDifference(ours, theirs, batch)));
    }

    private static double StatisticDifference(Ds2Learner ours, TorchLearner theirs)
    {
        double difference = 0, size = 0;
        foreach ((string name, Tensor values) in ours.Model.Parameters.Statistics)
        {
            (double Difference, double Size) squares = Norms.Squares(values.ToArray(), theirs.Model.Statistics[name].data<float>().ToArray());
            difference += squares.Difference;
            size += squares.Size;
        }

        return Math.Sqrt(difference / size);
    }

    private static double LogitDifference(Ds2Learner ours, TorchLearner theirs, Batch batch)
    {
        Runtime.Decoding.BatchLogits our = ours.Hear(batch), their = theirs.Hear(batch);
        double difference = 0, size = 0;
        for (int n = 0; n < our.N; n++)
        {
            for (int frame = 0; frame < our.Frames[n]; frame++)
            {
                (double Difference, double Size) squares = Norms.Squares(our.Row(n, frame), their.Row(n, frame));
                difference += squares.Difference;
                size += squares.Size;
            }
        }

        return Math.Sqrt(difference / size);
    }

    private static double Checked(string name, double difference) => difference <= WrongResult
        ? difference
        : throw new InvalidOperationException($"the {name} of the first batch differ from libtorch's by {difference:E1} of their size: there is nothing to compare");
}
