using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>The batches of a step and their losses, and what these come to together.</summary>
/// <param name="batches">In order, each with its losses.</param>
internal sealed class StepLosses(IReadOnlyList<(Batch Batch, CtcLosses Losses)> batches)
{
    /// <summary>All utterances of the step.</summary>
    public IEnumerable<Utterance> Utterances => batches.SelectMany(part => part.Batch.Utterances);

    /// <summary>The sum of the finite losses divided by the step's utterances, nats.</summary>
    /// <remarks>Of one batch it is that batch's mean to the bit.</remarks>
    public double Mean => batches.Sum(part => part.Losses.Mean * ((double)part.Batch.Utterances.Count / Count));

    /// <summary>The feasible utterances' losses together, nats.</summary>
    public double Nats => Mean * Count;

    /// <summary>The feasible utterances' labels.</summary>
    public int Labels => batches.Sum(part => part.Batch.Utterances.Zip(part.Losses.PerUtterance).Sum(pair => float.IsPositiveInfinity(pair.Second) ? 0 : pair.First.LabelCount));

    /// <summary>Utterances whose text does not fit their frames.</summary>
    public int Infeasible => batches.Sum(part => part.Losses.Infeasible);

    /// <summary>Audio of the step.</summary>
    public double AudioSeconds => batches.Sum(part => part.Batch.AudioSeconds);

    /// <summary>The utterances' ids.</summary>
    public string[] Ids => IdsOf(batches);

    /// <summary>The ids of those among which one is to be looked for that makes the loss what no number is: of the batches with such a loss, or of all where each batch has a finite one.</summary>
    public string[] Suspects => IdsOf(batches.Any(IsNotFinite) ? batches.Where(IsNotFinite) : batches);

    private int Count => batches.Sum(part => part.Batch.Utterances.Count);

    private static bool IsNotFinite((Batch Batch, CtcLosses Losses) part) => !double.IsFinite(part.Losses.Mean);

    private static string[] IdsOf(IEnumerable<(Batch Batch, CtcLosses Losses)> parts) => [.. parts.SelectMany(part => part.Batch.Utterances).Select(utterance => utterance.Id)];
}
