using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>A stretch of the flat block of parameters.</summary>
/// <param name="Offset">Its first element.</param>
/// <param name="Length">Its elements.</param>
public readonly record struct Share(int Offset, int Length)
{
    /// <summary>What two stretches have in common; without elements where that is nothing.</summary>
    internal Share Common(Share other)
    {
        int start = Math.Max(Offset, other.Offset), end = Math.Min(Offset + Length, other.Offset + other.Length);
        return new Share(start, Math.Max(end - start, 0));
    }
}

/// <summary>How the ranks of a job divide the flat block of parameters: each owns a stretch, adds up the gradients there, takes the optimiser's step there and keeps its state for that stretch alone
/// (stage 1 of ZeRO: Rajbhandari et al., arXiv:1910.02054).</summary>
/// <remarks>Cuts are at parts of <see cref="GradientNorm.Part"/> elements of a parameter, so that the parts whose squares are added up are the same however many ranks there are; or at whole parameters, where the optimiser
/// takes matrices as a whole.</remarks>
internal sealed class ParameterShares
{
    private readonly ParameterSet parameters;

    /// <summary>Shares as equal as the cuts allow.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="ranks">How many shares.</param>
    /// <param name="wholeMatrices">Whether no matrix is cut.</param>
    public ParameterShares(ParameterSet parameters, int ranks, bool wholeMatrices)
    {
        this.parameters = parameters;
        int total = parameters.Values.Length;
        int[] cuts = [.. Stretches().SelectMany(stretch => CutsOf(stretch.Parameter, stretch.Stretch, wholeMatrices)), total];
        var ends = new int[ranks];
        for (int rank = 0; rank < ranks; rank++)
        {
            long goal = (long)total * (rank + 1) / ranks;
            ends[rank] = rank == ranks - 1 ? total : cuts.MinBy(cut => Math.Abs(cut - goal));
        }

        All = [.. ends.Select((end, rank) => rank == 0 ? new Share(0, end) : new Share(ends[rank - 1], end - ends[rank - 1]))];
    }

    /// <summary>The share of each rank: one after the other, together everything.</summary>
    public IReadOnlyList<Share> All { get; }

    /// <summary>The pieces of a rank's share that lie in one parameter each, in order: their parts are those of the parameter.</summary>
    public IEnumerable<Share> PiecesOf(int rank) => Stretches().Select(stretch => stretch.Stretch.Common(All[rank])).Where(piece => piece.Length > 0);

    private static IEnumerable<int> CutsOf(Parameter parameter, Share stretch, bool wholeMatrices)
    {
        int step = wholeMatrices && parameter.Matrices is not null ? stretch.Length : GradientNorm.Part;
        for (int cut = 0; cut < stretch.Length; cut += step)
            yield return stretch.Offset + cut;
    }

    private IEnumerable<(Parameter Parameter, Share Stretch)> Stretches()
    {
        int offset = 0;
        foreach (Parameter parameter in parameters.Parameters)
        {
            int length = Workspace.Round(parameter.Shape.Length);
            yield return (parameter, new Share(offset, length));
            offset += length;
        }
    }
}
