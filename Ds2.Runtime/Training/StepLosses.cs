using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>A batch's utterances and losses, as far as its step's outcome depends on them.</summary>
/// <param name="Ids">The utterances' ids.</param>
/// <param name="Mean">The sum of the finite losses divided by the utterances, nats.</param>
/// <param name="Labels">The labels of all utterances.</param>
/// <param name="FeasibleLabels">Those of the utterances whose text fits their frames.</param>
/// <param name="Infeasible">The other utterances.</param>
/// <param name="AudioSeconds">Length of the recordings together.</param>
internal sealed record BatchLosses(string[] Ids, double Mean, int Labels, int FeasibleLabels, int Infeasible, double AudioSeconds)
{
    /// <summary>A batch's, from what the criterion says.</summary>
    public static BatchLosses Of(Batch batch, CtcLosses losses) => new(
        [.. batch.Utterances.Select(utterance => utterance.Id)],
        losses.Mean,
        batch.Utterances.Sum(utterance => utterance.LabelCount),
        batch.Utterances.Zip(losses.PerUtterance).Sum(pair => float.IsPositiveInfinity(pair.Second) ? 0 : pair.First.LabelCount),
        losses.Infeasible,
        batch.AudioSeconds);

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static BatchLosses Read(BinaryReader reader)
    {
        var ids = new string[reader.ReadInt32()];
        for (int i = 0; i < ids.Length; i++)
            ids[i] = reader.ReadString();
        return new BatchLosses(ids, reader.ReadDouble(), reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32(), reader.ReadDouble());
    }

    /// <summary>Writes them for another rank.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(Ids.Length);
        foreach (string id in Ids)
            writer.Write(id);
        writer.Write(Mean);
        writer.Write(Labels);
        writer.Write(FeasibleLabels);
        writer.Write(Infeasible);
        writer.Write(AudioSeconds);
    }
}

/// <summary>The losses of a step's batches, and what these come to together.</summary>
/// <param name="batches">In the order of their places in the step.</param>
internal sealed class StepLosses(IReadOnlyList<BatchLosses> batches)
{
    /// <summary>The sum of the finite losses divided by the step's utterances, nats.</summary>
    /// <remarks>Of one batch it is that batch's mean to the bit.</remarks>
    public double Mean => batches.Sum(batch => batch.Mean * ((double)batch.Ids.Length / Count));

    /// <summary>The feasible utterances' losses together, nats.</summary>
    public double Nats => Mean * Count;

    /// <summary>The feasible utterances' labels.</summary>
    public int Labels => batches.Sum(batch => batch.FeasibleLabels);

    /// <summary>The labels of an utterance, on the mean over all.</summary>
    public double LabelsAnUtterance => (double)batches.Sum(batch => (long)batch.Labels) / Count;

    /// <summary>Utterances whose text does not fit their frames.</summary>
    public int Infeasible => batches.Sum(batch => batch.Infeasible);

    /// <summary>Audio of the step.</summary>
    public double AudioSeconds => batches.Sum(batch => batch.AudioSeconds);

    /// <summary>The utterances' ids.</summary>
    public string[] Ids => IdsOf(batches);

    /// <summary>The ids of those among which one is to be looked for that makes the loss what no number is: of the batches with such a loss, or of all where each batch has a finite one.</summary>
    public string[] Suspects => IdsOf(batches.Any(IsNotFinite) ? batches.Where(IsNotFinite) : batches);

    private int Count => batches.Sum(batch => batch.Ids.Length);

    private static bool IsNotFinite(BatchLosses batch) => !double.IsFinite(batch.Mean);

    private static string[] IdsOf(IEnumerable<BatchLosses> batches) => [.. batches.SelectMany(batch => batch.Ids)];
}
