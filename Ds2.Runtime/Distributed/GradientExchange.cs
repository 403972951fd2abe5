namespace Ds2.Runtime.Distributed;

/// <summary>Adds up the gradients of all ranks, each stretch of them at its owner, and gives the owners' new parameters to all: on the wire what a ring's reduce-scatter and all-gather take.</summary>
/// <remarks>An owner gets the ranks' branches of its stretch and adds them up by <see cref="SumTree"/>, so the sum has the same bits however many ranks there are. Both go piece by piece, so that the memory for
/// them does not grow with the model; gradients and parameters are sent from, and parameters received, where they lie.</remarks>
public sealed class GradientExchange
{
    /// <summary>Elements that are under way at once to a rank from all others, 16 MB, if nothing is said; and the least from each.</summary>
    private const int UnderWay = 1 << 22, LeastFromEach = 1 << 16;

    /// <summary>What is added up at once stays in the first-level cache.</summary>
    private const int Block = 2048;

    private readonly ICommunicator communicator;
    private readonly Stretch[] pieces, sent, received;
    private readonly int pieceLength;
    private float[] incoming = [];

    /// <summary>An exchange between ranks.</summary>
    /// <param name="communicator">The ranks.</param>
    /// <param name="underWay">Elements that are under way at once to a rank: about the memory that this takes.</param>
    public GradientExchange(ICommunicator communicator, int underWay = UnderWay)
    {
        ArgumentNullException.ThrowIfNull(communicator);
        this.communicator = communicator;
        (pieces, sent, received) = (new Stretch[communicator.Ranks], new Stretch[communicator.Ranks], new Stretch[communicator.Ranks]);
        pieceLength = Math.Max(underWay / communicator.Ranks, LeastFromEach);
    }

    /// <summary>Takes the memory for steps of so many branches, once.</summary>
    /// <param name="most">The branches that the other ranks have of a step.</param>
    /// <param name="longest">The longest stretch that this rank owns.</param>
    public void Reserve(int most, int longest)
    {
        long length = (long)most * Math.Min(longest, pieceLength);
        if (incoming.Length < length)
            incoming = GC.AllocateUninitializedArray<float>(checked((int)length), pinned: true);
    }

    /// <summary>Adds up what all ranks' batches come to, in the stretch that this rank owns.</summary>
    /// <param name="owned">The stretch of the block that each rank owns, by rank.</param>
    /// <param name="branches">What each rank has of the step, by rank, in order; not nothing altogether.</param>
    /// <param name="own">This rank's branches, each a block; overwritten in the stretch that it owns.</param>
    /// <param name="sum">The block that takes the sum, in the stretch that this rank owns alone; may be one of <paramref name="own"/>.</param>
    public void AddUp(ReadOnlySpan<Stretch> owned, IReadOnlyList<IReadOnlyList<Branch>> branches, IReadOnlyList<Memory<float>> own, Memory<float> sum)
    {
        ArgumentNullException.ThrowIfNull(branches);
        ArgumentNullException.ThrowIfNull(own);
        int longest = Longest(owned), rounds = branches.Max(of => of.Count);
        Source[] sources = [.. Sources(branches)];
        (List<(int Earlier, int Later)> additions, int total) = Order(branches);
        Reserve(sources.Length - own.Count, owned[communicator.Rank].Length);
        for (int start = 0; start < longest; start += pieceLength)
        {
            Cut(owned, start);
            Stretch mine = pieces[communicator.Rank];
            for (int round = 0; round < rounds; round++)
            {
                for (int rank = 0; rank < pieces.Length; rank++)
                {
                    bool isOther = rank != communicator.Rank;
                    sent[rank] = isOther && round < own.Count ? pieces[rank] : default;
                    received[rank] = isOther && round < branches[rank].Count ? new Stretch(PlaceOf(rank, round) * mine.Length, mine.Length) : default;
                }

                communicator.AllToAll(round < own.Count ? own[round].Span : default, sent, incoming, received);
            }

            for (int at = 0; at < mine.Length; at += Block)
                AddUpBlock(mine.Part(at, Block), at);

            void AddUpBlock(Stretch block, int at)
            {
                Span<float> result = sum.Span.Slice(block.Offset, block.Length);
                for (int i = 0; i < additions.Count; i++)
                {
                    (int earlier, int later) = additions[i];
                    VectorSum.Add(Of(earlier), Of(later), i == additions.Count - 1 ? result : Of(later));
                }

                if (additions.Count == 0)
                    Of(total).CopyTo(result);

                Span<float> Of(int branch) => sources[branch] is { IsOwn: true } source
                    ? own[source.Place].Span.Slice(block.Offset, block.Length)
                    : incoming.AsSpan(sources[branch].Place * mine.Length + at, block.Length);
            }
        }

        int PlaceOf(int rank, int round) => sources[branches.Take(rank).Sum(of => of.Count) + round].Place;
    }

    /// <summary>Gives all ranks what each has of its stretch.</summary>
    /// <param name="owned">The stretch of the block that each rank owns, by rank.</param>
    /// <param name="block">Overwritten but for this rank's own stretch.</param>
    public void Gather(ReadOnlySpan<Stretch> owned, Memory<float> block)
    {
        int longest = Longest(owned);
        for (int start = 0; start < longest; start += pieceLength)
        {
            Cut(owned, start);
            communicator.AllGather(block.Span, pieces);
        }
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

    /// <summary>Which branches are added, by their places among all, each sum standing in the later one's; and where the whole sum stands.</summary>
    private static (List<(int Earlier, int Later)> Additions, int Total) Order(IReadOnlyList<IReadOnlyList<Branch>> branches)
    {
        var additions = new List<(int Earlier, int Later)>();
        var waiting = new List<(Branch Branch, int Place)>();
        foreach ((Branch branch, int place) in branches.SelectMany(of => of).Select((branch, place) => (branch, place)))
            SumTree.Push(waiting, branch, place, Add);
        return (additions, SumTree.Total(waiting, Add));

        int Add(int earlier, int later)
        {
            additions.Add((earlier, later));
            return later;
        }
    }

    private void Cut(ReadOnlySpan<Stretch> owned, int start)
    {
        for (int rank = 0; rank < pieces.Length; rank++)
            pieces[rank] = owned[rank].Part(start, pieceLength);
    }

    private static int Longest(ReadOnlySpan<Stretch> stretches)
    {
        int longest = 0;
        foreach (Stretch stretch in stretches)
            longest = Math.Max(longest, stretch.Length);
        return longest;
    }
}
