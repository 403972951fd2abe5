namespace Ds2.Runtime.Distributed;

/// <summary>Adds up the gradients of all ranks, each stretch of them at its owner, and gives the owners' new parameters to all: on the wire what a ring's reduce-scatter and all-gather take.</summary>
/// <remarks>An owner gets the ranks' branches of its stretch and adds them up by <see cref="SumTree"/>, so the sum has the same bits however many ranks there are. Both go piece by piece, some under way at once: the memory for
/// that does not grow with the model. Gradients and parameters are sent from, and parameters received, where they lie: in the host's memory, or a device's if the ranks take that.</remarks>
public sealed class GradientExchange
{
    /// <summary>Elements that are under way at once to a rank from all others, 4 MB, if nothing is said; and the least that one sends another at once.</summary>
    private const int UnderWay = 1 << 20, LeastPiece = 1 << 15;

    /// <summary>Pieces under way at once. Over TCP what receiver and sender of a piece have to tell each other waits behind the data that goes the same way: it is told while the pieces before are under way.</summary>
    private const int AtOnce = 8;

    private readonly ICommunicator communicator;
    private readonly IExchangeMemory memory;
    private readonly int pieceLength;
    private Memory<float> incoming;

    /// <summary>An exchange between ranks.</summary>
    /// <param name="communicator">The ranks.</param>
    /// <param name="underWay">Elements that are under way at once to a rank, and the memory that this takes; more where a piece would be too small, from five ranks on if nothing is said.</param>
    /// <param name="memory">Where gradients and parameters lie, and all that is exchanged; null for the host's memory. The caller's.</param>
    public GradientExchange(ICommunicator communicator, int underWay = UnderWay, IExchangeMemory? memory = null)
    {
        ArgumentNullException.ThrowIfNull(communicator);
        this.communicator = communicator;
        this.memory = memory ?? new HostExchangeMemory();
        pieceLength = Math.Max(underWay / AtOnce / communicator.Ranks, LeastPiece);
    }

    /// <summary>Takes the memory for steps of so many branches, once.</summary>
    /// <param name="most">The branches that the other ranks have of a step.</param>
    /// <param name="longest">The longest stretch that this rank owns.</param>
    public void Reserve(int most, int longest)
    {
        long length = (long)AtOnce * most * Math.Min(longest, pieceLength);
        if (incoming.Length < length)
            incoming = memory.Allocate(checked((int)length));
    }

    /// <summary>Adds up what all ranks' batches come to, in the stretch that this rank owns.</summary>
    /// <param name="owned">The stretch of the block that each rank owns, by rank.</param>
    /// <param name="branches">What each rank has of the step, by rank, in order; not nothing altogether.</param>
    /// <param name="own">This rank's branches, each a block; overwritten in the stretch that it owns.</param>
    /// <param name="sum">The block that takes the sum, in the stretch that this rank owns alone; may be one of <paramref name="own"/>.</param>
    public void AddUp(IReadOnlyList<Stretch> owned, IReadOnlyList<IReadOnlyList<Branch>> branches, IReadOnlyList<Memory<float>> own, Memory<float> sum)
    {
        ArgumentNullException.ThrowIfNull(owned);
        ArgumentNullException.ThrowIfNull(branches);
        ArgumentNullException.ThrowIfNull(own);
        Source[] sources = [.. Sources(branches)];
        Order order = OrderOf(branches);
        Stretch share = owned[communicator.Rank];
        int foreign = sources.Length - own.Count, room = foreign * Math.Min(share.Length, pieceLength), pieces = PiecesOf(owned);
        Reserve(foreign, share.Length);
        var underWay = new Queue<ITransfer[]>();
        int next = 0;
        for (int piece = 0; piece < pieces; piece++)
        {
            for (; next < Math.Min(piece + AtOnce, pieces); next++)
                underWay.Enqueue(Start(next));
            foreach (ITransfer transfer in underWay.Dequeue())
                transfer.Wait();

            // Complete: what is under way next is received where the branches were that were added.
            AddUpPiece(share.Part(piece * pieceLength, pieceLength), IncomingOf(piece));
            memory.Complete();
        }

        // A message for each branch, as no two lie beside each other.
        ITransfer[] Start(int piece) => [.. Enumerable.Range(0, branches.Max(of => of.Count)).Select(round => StartRound(piece, round))];

        ITransfer StartRound(int piece, int round)
        {
            Stretch[] sent = new Stretch[owned.Count], received = new Stretch[owned.Count];
            int length = share.Part(piece * pieceLength, pieceLength).Length, first = 0;
            for (int rank = 0; rank < sent.Length; rank++)
            {
                if (rank != communicator.Rank && round < own.Count)
                    sent[rank] = owned[rank].Part(piece * pieceLength, pieceLength);
                if (rank != communicator.Rank && round < branches[rank].Count)
                    received[rank] = new Stretch(sources[first + round].Place * length, length);
                first += branches[rank].Count;
            }

            return communicator.StartAllToAll(round < own.Count ? own[round] : Memory<float>.Empty, sent, IncomingOf(piece), received);
        }

        Memory<float> IncomingOf(int piece) => incoming.Slice(piece % AtOnce * room, room);

        void AddUpPiece(Stretch piece, Memory<float> others)
        {
            for (int at = 0; at < piece.Length; at += Math.Min(memory.Block, piece.Length))
            {
                Stretch block = piece.Part(at, memory.Block);
                AddUpBlock(order, sum.Slice(block.Offset, block.Length), branch => sources[branch] is { IsOwn: true } source
                    ? own[source.Place].Slice(block.Offset, block.Length)
                    : others.Slice(sources[branch].Place * piece.Length + block.Offset - piece.Offset, block.Length));
            }
        }
    }

    /// <summary>Gives all ranks what each has of its stretches.</summary>
    /// <param name="buckets">Of each bucket, in the order in which they are to come, the stretch of the block that each rank owns, by rank.</param>
    /// <param name="block">Overwritten, but for this rank's own stretches.</param>
    /// <param name="begun">Told of each bucket, by its place, before this rank's own stretch of it leaves.</param>
    /// <param name="arrived">Told of each bucket, by its place, when all of it is there.</param>
    public void Gather(IReadOnlyList<IReadOnlyList<Stretch>> buckets, Memory<float> block, Action<int>? begun = null, Action<int>? arrived = null)
    {
        ArgumentNullException.ThrowIfNull(buckets);
        var underWay = new Queue<(ITransfer Transfer, int Bucket, bool IsLast)>();
        for (int bucket = 0; bucket < buckets.Count; bucket++)
        {
            int pieces = Math.Max(PiecesOf(buckets[bucket]), 1);
            begun?.Invoke(bucket);
            for (int piece = 0; piece < pieces; piece++)
            {
                if (underWay.Count == AtOnce)
                    End();
                Stretch[] stretches = [.. buckets[bucket].Select(share => share.Part(piece * pieceLength, pieceLength))];
                underWay.Enqueue((communicator.StartAllGather(block, stretches), bucket, piece == pieces - 1));
            }
        }

        while (underWay.Count > 0)
            End();

        void End()
        {
            (ITransfer transfer, int bucket, bool isLast) = underWay.Dequeue();
            transfer.Wait();
            if (isLast)
                arrived?.Invoke(bucket);
        }
    }

    private void AddUpBlock(Order order, Memory<float> sum, Func<int, Memory<float>> of)
    {
        for (int i = 0; i < order.Additions.Count; i++)
        {
            (int earlier, int later) = order.Additions[i];
            Memory<float> to = of(later);
            memory.Add(of(earlier), to, i == order.Additions.Count - 1 ? sum : to);
        }

        if (order.Additions.Count == 0)
            memory.Copy(of(order.Total), sum);
    }

    /// <summary>Where a branch stands: in this rank's own memory, or among what the others have sent.</summary>
    private readonly record struct Source(bool IsOwn, int Place);

    private IEnumerable<Source> Sources(IReadOnlyList<IReadOnlyList<Branch>> branches)
    {
        int foreign = 0;
        for (int rank = 0; rank < branches.Count; rank++)
        {
            for (int i = 0; i < branches[rank].Count; i++)
                yield return rank == communicator.Rank ? new Source(true, i) : new Source(false, foreign++);
        }
    }

    /// <summary>How branches are added up.</summary>
    /// <param name="Additions">Which are added, by their places among all; each sum stands in the later one's.</param>
    /// <param name="Total">Where the whole sum stands.</param>
    private sealed record Order(List<(int Earlier, int Later)> Additions, int Total);

    private static Order OrderOf(IReadOnlyList<IReadOnlyList<Branch>> branches)
    {
        var additions = new List<(int Earlier, int Later)>();
        var waiting = new List<(Branch Branch, int Place)>();
        foreach ((Branch branch, int place) in branches.SelectMany(of => of).Select((branch, place) => (branch, place)))
            SumTree.Push(waiting, branch, place, Add);
        return new Order(additions, SumTree.Total(waiting, Add));

        int Add(int earlier, int later)
        {
            additions.Add((earlier, later));
            return later;
        }
    }

    private int PiecesOf(IReadOnlyList<Stretch> owned) => (owned.Max(share => share.Length) + pieceLength - 1) / pieceLength;
}
