using Ds2.Runtime.Distributed;

namespace Ds2.Bench.Distributed;

/// <summary>The exchange of a training step without its step: all ranks' gradients in, their sum out, in place. Of each piece every rank owns a stretch: it receives all ranks'
/// gradients of it, adds them in the order of ranks, and sends the sums to all.</summary>
/// <param name="communicator">The ranks.</param>
/// <param name="pieceLength">Elements that are under way at once: the memory that this takes.</param>
internal sealed class GradientExchange(ICommunicator communicator, int pieceLength)
{
    private readonly float[] received = new float[Stretch(pieceLength, communicator.Ranks, 0) * communicator.Ranks];
    private readonly int[] sendCounts = new int[communicator.Ranks], receiveCounts = new int[communicator.Ranks];

    /// <summary>Sums over ranks, exactly in their order.</summary>
    /// <param name="gradient">As long on all ranks; overwritten with the sums.</param>
    public void Run(Span<float> gradient)
    {
        for (int start = 0; start < gradient.Length; start += pieceLength)
            RunPiece(gradient.Slice(start, Math.Min(pieceLength, gradient.Length - start)));
    }

    private void RunPiece(Span<float> piece)
    {
        int own = 0;
        for (int rank = 0; rank < communicator.Ranks; rank++)
        {
            sendCounts[rank] = Stretch(piece.Length, communicator.Ranks, rank);
            if (rank < communicator.Rank)
                own += sendCounts[rank];
        }

        int length = sendCounts[communicator.Rank];
        Array.Fill(receiveCounts, length);
        Span<float> all = received.AsSpan(0, length * communicator.Ranks);
        communicator.AllToAll(piece, sendCounts, all, receiveCounts);
        if (length > 0)
            VectorSum.Of(all, piece.Slice(own, length));
        communicator.AllGather(piece, sendCounts);
    }

    /// <summary>The length of a rank's share: shares differ by one element at most, and the first is none of the shorter ones.</summary>
    private static int Stretch(int length, int ranks, int rank) => length / ranks + (rank < length % ranks ? 1 : 0);
}
