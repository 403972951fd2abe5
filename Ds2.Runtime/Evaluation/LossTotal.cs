namespace Ds2.Runtime.Evaluation;

/// <summary>CTC losses gathered over utterances. A text that does not fit its frames has none: it is left out and counted.</summary>
public sealed class LossTotal
{
    private double nats;
    private long labels;

    /// <summary>Utterances that have a loss.</summary>
    public int Utterances { get; private set; }

    /// <summary>Utterances whose text does not fit their frames.</summary>
    public int Infeasible { get; private set; }

    /// <summary>The mean loss of an utterance, nats; null where none has one.</summary>
    public double? PerUtterance => Utterances == 0 ? null : nats / Utterances;

    /// <summary>The loss over all labels, nats a label: what utterances of any length can be compared by; null where there is no label.</summary>
    public double? PerLabel => labels == 0 ? null : nats / labels;

    /// <summary>Adds an utterance.</summary>
    /// <param name="loss">Nats; +inf where the text does not fit.</param>
    /// <param name="count">Labels of its text.</param>
    public void Add(double loss, int count)
    {
        if (double.IsPositiveInfinity(loss))
        {
            Infeasible++;
            return;
        }

        nats += loss;
        labels += count;
        Utterances++;
    }
}
