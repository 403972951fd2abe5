using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Peers.Training;

/// <summary>How the two sides take turns, and when they stop.</summary>
/// <param name="Wer">The word error rate, in percent, whose time is asked for.</param>
/// <param name="GoesOn">Whether all epochs are trained; else the contest ends when both have reached <paramref name="Wer"/>.</param>
/// <param name="Stretch">Batches of a turn.</param>
/// <param name="EvaluateEvery">Batches of an epoch from one evaluation to the next; there is one after each epoch too.</param>
/// <param name="MaxBatches">An epoch ends after so many batches; null for all.</param>
internal sealed record ContestOptions(double Wer, bool GoesOn, int Stretch, int EvaluateEvery, int? MaxBatches);

/// <summary>Trains both sides on the same batches in turns, so that what else happens on the machine meets both.</summary>
/// <param name="training">Rates and epochs.</param>
/// <param name="options">The turns.</param>
/// <param name="sets">The batches.</param>
/// <param name="ours">Our side.</param>
/// <param name="theirs">libtorch's.</param>
/// <param name="hasFrames">Whether a batch is long enough for an output frame; one that is not is trained on by neither.</param>
internal sealed class Contest(
    TrainingOptions training, ContestOptions options, TrainingSets sets, Contestant ours, Contestant theirs, Func<Batch, bool> hasFrames)
{
    private readonly int batchesPerEpoch = Math.Min(sets.Training.BatchesPerEpoch, options.MaxBatches ?? int.MaxValue);
    private int steps;
    private int trainings, evaluations;

    /// <summary>Runs it to its end.</summary>
    /// <param name="evaluated">Called after each evaluation of both.</param>
    public void Run(Action<CurvePoint, CurvePoint> evaluated)
    {
        var schedule = new LearningRateSchedule(training, batchesPerEpoch);
        for (int epoch = 0; epoch < training.Epochs; epoch++)
        {
            for (int batch = 0; batch < batchesPerEpoch;)
            {
                int evaluation = Math.Min((batch / options.EvaluateEvery + 1) * options.EvaluateEvery, batchesPerEpoch);
                int count = Math.Min(options.Stretch, evaluation - batch);
                Train(schedule, epoch, batch, count);
                batch += count;
                if (batch < evaluation)
                    continue;
                Evaluate(epoch, batch);
                evaluated(ours.Curve[^1], theirs.Curve[^1]);
                if (!options.GoesOn && ours.SecondsTo(options.Wer) is not null && theirs.SecondsTo(options.Wer) is not null)
                    return;
            }
        }
    }

    private void Train(LearningRateSchedule schedule, int epoch, int first, int count)
    {
        Batch[] stretch = sets.Stretch(epoch, first, count);
        List<Batch> batches = [];
        List<double> rates = [];
        for (int i = 0; i < stretch.Length; i++)
        {
            if (!hasFrames(stretch[i]))
                continue;
            rates.Add(schedule.Rate(epoch, first + i, steps + batches.Count));
            batches.Add(stretch[i]);
        }

        foreach (Contestant side in InTurn(trainings++))
            side.Train(batches, steps + 1, rates);
        steps += batches.Count;
        foreach (Batch batch in stretch)
            batch.Release();
    }

    private void Evaluate(int epoch, int batch)
    {
        foreach (Contestant side in InTurn(evaluations++))
            side.Evaluate(sets.ValidationBatches, hasFrames, epoch + 1, batch, batch == batchesPerEpoch);
    }

    /// <summary>Both; the one that began last time comes second.</summary>
    private Contestant[] InTurn(int turn) => turn % 2 == 0 ? [ours, theirs] : [theirs, ours];
}
