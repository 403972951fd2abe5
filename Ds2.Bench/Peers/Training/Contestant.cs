using System.Diagnostics;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;

namespace Ds2.Bench.Peers.Training;

/// <summary>A side: its learner, the seconds that it has had, and its curve.</summary>
/// <param name="name">ds2 or libtorch.</param>
/// <param name="learner">What learns; it stays the caller's.</param>
internal sealed class Contestant(string name, ILearner learner)
{
    private readonly GreedyDecoder decoder = new(Alphabet.English);
    private readonly List<CurvePoint> curve = [];
    private double lossSum;
    private int losses;

    /// <summary>ds2 or libtorch.</summary>
    public string Name => name;

    /// <summary>Seconds of training so far.</summary>
    public double TrainingSeconds { get; private set; }

    /// <summary>Seconds of evaluation so far.</summary>
    public double EvaluationSeconds { get; private set; }

    /// <summary>All evaluations so far.</summary>
    public IReadOnlyList<CurvePoint> Curve => curve;

    /// <summary>Seconds of training and evaluation up to the first evaluation with at most this word error rate; null where there was none.</summary>
    public double? SecondsTo(double wer) => curve.Find(point => point.Wer <= wer)?.Seconds;

    /// <summary>A turn of training.</summary>
    /// <param name="batches">The batches; they stay as they are.</param>
    /// <param name="firstStep">The number of the first one's step, from 1.</param>
    /// <param name="rates">Each one's learning rate.</param>
    /// <exception cref="InvalidOperationException">A loss is not finite.</exception>
    public void Train(IReadOnlyList<Batch> batches, int firstStep, IReadOnlyList<double> rates) => TrainingSeconds += Turn(() =>
    {
        for (int i = 0; i < batches.Count; i++)
        {
            double loss = learner.Train(batches[i], firstStep + i, rates[i]);
            if (!double.IsFinite(loss))
                throw new InvalidOperationException($"{name}: the loss of step {firstStep + i} is {loss}");
            lossSum += loss;
            losses++;
        }
    });

    /// <summary>A turn of evaluation: greedy decoding of the validation set, and the counting of errors, which is the same code for both.</summary>
    /// <param name="validation">The batches; one without an output frame is heard as silence.</param>
    /// <param name="hasFrames">Whether a batch has an output frame.</param>
    /// <param name="epoch">The epoch, from 1.</param>
    /// <param name="batch">Batches of it that are done.</param>
    /// <param name="endsEpoch">Whether those are all.</param>
    public CurvePoint Evaluate(IReadOnlyList<Batch> validation, Func<Batch, bool> hasFrames, int epoch, int batch, bool endsEpoch)
    {
        var rates = new ErrorRates();
        EvaluationSeconds += Turn(() =>
        {
            foreach (Batch heard in validation)
            {
                BatchLogits logits = hasFrames(heard) ? learner.Hear(heard) : new BatchLogits([], 0, new int[heard.Utterances.Count]);
                foreach ((string text, string reference) in logits.Decode(decoder).Zip(heard.Utterances.Select(utterance => utterance.Text)))
                    rates.Add(reference, text);
            }
        });
        curve.Add(new CurvePoint(TrainingSeconds + EvaluationSeconds, epoch, batch, losses == 0 ? 0 : lossSum / losses, rates.Wer, rates.Cer, endsEpoch));
        (lossSum, losses) = (0, 0);
        return curve[^1];
    }

    /// <summary>Seconds of a turn, which begins when the other side's threads are asleep.</summary>
    private static double Turn(Action work)
    {
        Thread.Sleep(Alternation.Pause);
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
