using Ds2.Kernels.Ops;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>How the ranks of a job divide the flat block of parameters: each owns some of it, adds up the gradients there, takes the optimiser's step there and keeps its state for that alone
/// (stage 1 of ZeRO: Rajbhandari et al., arXiv:1910.02054).</summary>
/// <remarks>
/// The block is cut into buckets, whole layers each, and every bucket is divided among all ranks: so that a bucket can leave as soon as the backward pass is done with its layers, and all ranks send and receive
/// alike. Cuts are at parts of <see cref="GradientNorm.Part"/> elements of a parameter, so that the parts whose squares are added up are the same however many ranks there are; or at whole parameters, where the
/// optimiser takes matrices as a whole.
/// </remarks>
internal sealed class ParameterShares
{
    /// <summary>Elements below which a layer goes with the next one below it, 1 MB: messages of less are all latency.</summary>
    private const int LeastOfBucket = 1 << 18;

    private readonly Stretch[] parameters;

    /// <summary>Shares as equal as the cuts allow.</summary>
    /// <param name="set">The parameters.</param>
    /// <param name="layers">The first element of each layer that has parameters, in order.</param>
    /// <param name="ranks">How many shares.</param>
    /// <param name="wholeMatrices">Whether no matrix is cut.</param>
    public ParameterShares(ParameterSet set, IReadOnlyList<int> layers, int ranks, bool wholeMatrices)
    {
        parameters = StretchesOf(set);
        int[] cuts = [.. set.Parameters.Zip(parameters, (parameter, stretch) => CutsOf(parameter, stretch, wholeMatrices)).SelectMany(of => of), parameters[^1].End];
        Buckets = [.. BucketsOf(layers, parameters[^1].End).Select(bucket => Divide(bucket, cuts, ranks))];
    }

    /// <summary>The share that each rank has of each bucket, by rank: one after the other, together the bucket. Buckets are in the order of memory, which is that of the layers.</summary>
    public IReadOnlyList<Stretch[]> Buckets { get; }

    /// <summary>All that a rank owns, in the order of memory; neighbours are one.</summary>
    public IReadOnlyList<Stretch> Of(int rank)
    {
        var owned = new List<Stretch>();
        foreach (Stretch share in Buckets.Select(bucket => bucket[rank]).Where(share => share.Length > 0))
        {
            if (owned is [.., var last] && last.End == share.Offset)
                owned[^1] = new Stretch(last.Offset, last.Length + share.Length);
            else
                owned.Add(share);
        }

        return owned;
    }

    /// <summary>All shares cut to pieces that lie in one parameter each, in the order of memory, with their owners: the parts of a piece are those of the parameter.</summary>
    public IEnumerable<(int Rank, Stretch Piece)> Pieces => Buckets
        .SelectMany(bucket => bucket.SelectMany((share, rank) => parameters.Select(parameter => (Rank: rank, Piece: parameter.Common(share)))))
        .Where(piece => piece.Piece.Length > 0);

    private static Stretch[] StretchesOf(ParameterSet set) =>
        Stretch.OneAfterTheOther([.. set.Parameters.Select(parameter => Workspace.Round(parameter.Shape.Length))]);

    private static IEnumerable<int> CutsOf(Parameter parameter, Stretch stretch, bool wholeMatrices)
    {
        int step = wholeMatrices && parameter.Matrices is not null ? stretch.Length : GradientNorm.Part;
        for (int cut = 0; cut < stretch.Length; cut += step)
            yield return stretch.Offset + cut;
    }

    /// <summary>From the last layer down, as the backward pass comes to them.</summary>
    private static Stretch[] BucketsOf(IReadOnlyList<int> layers, int total)
    {
        var buckets = new Stack<Stretch>();
        int end = total;
        foreach (int layer in layers.Reverse())
        {
            if (end - layer < LeastOfBucket && layer != layers[0])
                continue;
            buckets.Push(new Stretch(layer, end - layer));
            end = layer;
        }

        return [.. buckets];
    }

    private static Stretch[] Divide(Stretch bucket, int[] cuts, int ranks)
    {
        int[] within = [.. cuts.Where(cut => bucket.Offset <= cut && cut <= bucket.End)];
        var shares = new Stretch[ranks];
        int start = bucket.Offset;
        for (int rank = 0; rank < ranks; rank++)
        {
            long goal = bucket.Offset + (long)bucket.Length * (rank + 1) / ranks;
            int end = rank == ranks - 1 ? bucket.End : within.MinBy(cut => Math.Abs(cut - goal));
            shares[rank] = new Stretch(start, end - start);
            start = end;
        }

        return shares;
    }
}
