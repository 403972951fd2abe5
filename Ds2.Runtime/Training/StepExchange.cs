using Ds2.Kernels.Ops;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>What the ranks of a job give each other in a step: gradients to the owners of each share, new parameters to all.</summary>
/// <remarks>
/// Each owner gets the ranks' branches of its share and adds them up by <see cref="SumTree"/>, so the sum has the same bits however many ranks there are. On the wire that is what a ring's reduce-scatter and
/// all-gather take. Both go piece by piece, so that the memory for them does not grow with the model. A rank on its own exchanges nothing.
/// </remarks>
/// <param name="communicator">The other ranks.</param>
/// <param name="parameters">The parameters and gradients.</param>
/// <param name="shares">Who owns what of them.</param>
internal sealed class StepExchange(ICommunicator communicator, ParameterSet parameters, ParameterShares shares) : IDisposable
{
    /// <summary>Elements of each share that are under way at once: 4 MB, or all of them.</summary>
    private readonly int pieceLength = Math.Min(1 << 20, shares.All.Max(share => share.Length));

    private readonly Addition addition = Addition.On(parameters.Engine);
    private readonly List<Tensor> branches = [];
    private float[] outgoing = [], incoming = [];

    /// <summary>Takes the memory for steps of so many branches, once.</summary>
    /// <param name="most">The branches that all ranks have of a step.</param>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve(int most)
    {
        while (communicator.Ranks > 1 && branches.Count < most)
            branches.Add(parameters.Engine.Allocate(new Shape(pieceLength)));
    }

    /// <summary>Adds up the gradients of all ranks' batches: their sum stands in this rank's share of the parameter set's gradients, and nothing of use in the rest.</summary>
    /// <param name="accumulator">This rank's batches.</param>
    /// <param name="branchesOf">The branches that each rank has of the step, in order.</param>
    public void AddUp(GradientAccumulator accumulator, IReadOnlyList<IReadOnlyList<Branch>> branchesOf)
    {
        if (communicator.Ranks == 1)
        {
            accumulator.AddUp();
            return;
        }

        Branch[] all = [.. branchesOf.SelectMany(branch => branch)];
        Tensor[] own = [.. accumulator.Branches.Select(branch => branch.Sum)];
        for (int start = 0; start < shares.All.Max(share => share.Length); start += pieceLength)
        {
            Share[] pieces = [.. shares.All.Select(share => share.Common(new Share(share.Offset + start, pieceLength)))];
            Share mine = pieces[communicator.Rank];
            int[] sent = [.. pieces.Select(piece => own.Length * piece.Length)], received = [.. branchesOf.Select(branch => branch.Count * mine.Length)];
            Span<float> send = Room(ref outgoing, sent.Sum()), receive = Room(ref incoming, received.Sum());
            int place = 0;
            foreach (Share piece in pieces)
            {
                foreach (Tensor sum in own)
                {
                    sum.Slice(piece.Offset, new Shape(piece.Length)).CopyTo(send.Slice(place, piece.Length));
                    place += piece.Length;
                }
            }

            communicator.AllToAll(send, sent, receive, received);
            AddUp(all, receive, mine);
        }
    }

    /// <summary>Gives every rank the new parameters of all shares; waits for the engine.</summary>
    public void GatherParameters() => Gather(
        piece => parameters.Values.Slice(piece.Offset, new Shape(piece.Length)),
        (piece, values) => parameters.Values.Slice(piece.Offset, new Shape(piece.Length)).CopyFrom(values));

    /// <summary>Brings a tensor together of which every rank has its share, as an optimiser's state; every rank calls it.</summary>
    /// <param name="share">This rank's share.</param>
    /// <returns>All of it on rank 0, nothing on the others.</returns>
    public float[] Collect(Tensor share)
    {
        float[] whole = communicator.Rank == 0 ? new float[parameters.Values.Length] : [];
        int offset = shares.All[communicator.Rank].Offset;
        if (communicator.Rank == 0)
            share.CopyTo(whole.AsSpan(offset, share.Length));
        Gather(
            piece => share.Slice(piece.Offset - offset, new Shape(piece.Length)),
            (piece, values) =>
            {
                if (communicator.Rank == 0)
                    values.CopyTo(whole.AsSpan(piece.Offset));
            });
        return whole;
    }

    public void Dispose()
    {
        foreach (Tensor branch in branches)
            branch.Dispose();
    }

    private delegate void Take(Share piece, ReadOnlySpan<float> values);

    private void Gather(Func<Share, Tensor> own, Take take)
    {
        if (communicator.Ranks == 1)
            return;
        for (int start = 0; start < shares.All.Max(share => share.Length); start += pieceLength)
        {
            Share[] pieces = [.. shares.All.Select(share => share.Common(new Share(share.Offset + start, pieceLength)))];
            int[] counts = [.. pieces.Select(piece => piece.Length)];
            Span<float> block = Room(ref incoming, counts.Sum());
            Share mine = pieces[communicator.Rank];
            if (mine.Length > 0)
                own(mine).CopyTo(block.Slice(counts.Take(communicator.Rank).Sum(), mine.Length));
            communicator.AllGather(block, counts);
            int place = 0;
            for (int rank = 0; rank < pieces.Length; rank++)
            {
                if (rank != communicator.Rank && pieces[rank].Length > 0)
                    take(pieces[rank], block.Slice(place, pieces[rank].Length));
                place += pieces[rank].Length;
            }
        }
    }

    /// <summary>Adds up a piece of all branches of a step, and puts the sum into the gradients.</summary>
    private void AddUp(Branch[] all, ReadOnlySpan<float> received, Share piece)
    {
        if (piece.Length == 0)
            return;
        var shape = new Shape(piece.Length);
        var waiting = new List<(Branch Branch, Tensor Sum)>();
        for (int i = 0; i < all.Length; i++)
        {
            Tensor sum = branches[i].Slice(0, shape);
            sum.CopyFrom(received.Slice(i * piece.Length, piece.Length));
            SumTree.Push(waiting, all[i], sum, Join);
        }

        Tensor total = SumTree.Total(waiting, Join);
        addition.Copy(total, parameters.Gradients.Slice(piece.Offset, shape));
    }

    private Tensor Join(Tensor earlier, Tensor later)
    {
        addition.Add(earlier, later, later);
        return later;
    }

    private static Span<float> Room(ref float[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = new float[length];
        return buffer.AsSpan(0, length);
    }
}
