using Ds2.Kernels.Ops;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>What the ranks of a job give each other in a step, bucket by bucket: gradients to the owners of each share, new parameters to all. Several ranks only.</summary>
/// <remarks>
/// The bytes move on a thread of their own. Gradients leave while the backward pass works on lower layers, and new parameters come while the next forward pass works on lower layers: whoever reads parameters
/// (<see cref="ParameterSet.Values"/>) waits for those that are still on their way. On an engine whose memory is the host's they are sent and received where they lie, as on one whose device the ranks' library reaches by itself; else through a copy in host memory,
/// to and from which a queue of copies takes them beside the engine's ops.
/// </remarks>
internal sealed class StepExchange : IDisposable
{
    /// <summary>Elements of an optimiser's state that are under way at once from a rank.</summary>
    private const int StatePiece = 1 << 20;

    private readonly QueuedCommunicator ranks;
    private readonly GradientExchange exchange;
    private readonly ParameterSet parameters;
    private readonly ParameterShares shares;
    private readonly Tensor values;

    /// <summary>Null where the ranks' library is not handed the device's memory, or there is none.</summary>
    private readonly IExchangeMemory? device;

    /// <summary>Null where gradients and parameters are exchanged where they lie.</summary>
    private readonly IHostCopies? copies;
    private readonly Memory<float> exchangedGradients, exchangedValues;
    private readonly List<Memory<float>> hostBranches = [];
    private readonly Task[] underWay;

    /// <summary>Buckets from here on have not left yet in this step.</summary>
    private int unsent;

    /// <summary>Buckets below have their new parameters.</summary>
    private int arrived;

    /// <summary>Sets up the exchange.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="parameters">The parameters and gradients.</param>
    /// <param name="shares">Who owns what of them.</param>
    public StepExchange(QueuedCommunicator ranks, ParameterSet parameters, ParameterShares shares)
    {
        this.ranks = ranks;
        this.parameters = parameters;
        this.shares = shares;
        values = parameters.Values;
        device = ranks.TakesDeviceMemory ? Addition.NewExchangeMemory(parameters.Engine) : null;
        exchange = new GradientExchange(ranks.Communicator, memory: device);
        copies = InPlace(values) is null ? parameters.Engine.NewHostCopies() : null;
        exchangedGradients = InPlace(parameters.Gradients) ?? Mirror();
        // Gradients are on their way while no parameters are, and the other way round.
        exchangedValues = InPlace(values) ?? exchangedGradients;
        underWay = new Task[shares.Buckets.Count];
        arrived = underWay.Length;
        parameters.BeforeRead = Await;
    }

    /// <summary>Takes the memory for steps of so many branches, once.</summary>
    /// <param name="others">The branches that the other ranks have of a step, at most.</param>
    /// <param name="own">Those of this rank.</param>
    public void Reserve(int others, int own)
    {
        exchange.Reserve(others, shares.Buckets.Max(bucket => bucket[ranks.Rank].Length));
        while (copies is not null && hostBranches.Count < own - 1)
            hostBranches.Add(Mirror());
    }

    /// <summary>Begins a step's exchange.</summary>
    public void Begin() => unsent = underWay.Length;

    /// <summary>Has the buckets leave that begin at an element of the block or behind it, the last one first: their gradients are there. Each rank has all buckets leave in each step.</summary>
    /// <param name="offset">The element.</param>
    /// <param name="accumulator">This rank's batches.</param>
    /// <param name="branches">What each rank has of the step, by rank, in order.</param>
    public void Send(int offset, GradientAccumulator accumulator, IReadOnlyList<IReadOnlyList<Branch>> branches)
    {
        // A rank whose batches are too short, or that has none, has read no parameters: the last ones may still be on their way, in memory that gradients take now.
        Await(int.MaxValue);

        // Such a rank copies nothing out, behind which its sums would come in: without this they could meet the zeros that the step's begin has queued.
        if (copies is not null && accumulator.Branches.Count == 0)
            parameters.Engine.Synchronize();
        while (unsent > 0 && shares.Buckets[unsent - 1][0].Offset >= offset)
        {
            unsent--;
            Stretch[] bucket = shares.Buckets[unsent];
            var whole = new Stretch(bucket[0].Offset, bucket[^1].End - bucket[0].Offset);
            accumulator.Join(whole);
            Memory<float>[] own = [.. accumulator.Branches.Select((branch, i) => MemoryOf(branch.Sum, i))];
            Action[] departures = device is not null ? [device.Mark()]
                : copies is not null ? [.. accumulator.Branches.Select((branch, i) => copies.CopyToHost(Of(whole, branch.Sum), Of(whole, own[i])))]
                : [];
            underWay[unsent] = ranks.Post(() =>
            {
                foreach (Action depart in departures)
                    depart();
                exchange.AddUp(bucket, branches, own, exchangedGradients);
            });
        }
    }

    /// <summary>Waits for the sums: they stand in this rank's share of the parameter set's gradients, and nothing of use in the rest.</summary>
    public void AwaitSums()
    {
        for (int bucket = underWay.Length - 1; bucket >= 0; bucket--)
        {
            ranks.WaitFor(underWay[bucket]);
            Stretch mine = shares.Buckets[bucket][ranks.Rank];
            copies?.CopyToDevice(Of(mine, exchangedGradients), Of(mine, parameters.Gradients));
        }
    }

    /// <summary>Has the new parameters of this rank's share go to all; they are waited for where they are read.</summary>
    public void SendParameters()
    {
        Action[] departures = device is not null ? [.. shares.Buckets.Select(_ => device.Mark())]
            : copies is not null ? [.. shares.Buckets.Select(bucket => bucket[ranks.Rank]).Select(mine => copies.CopyToHost(Of(mine, values), Of(mine, exchangedValues)))]
            : [];
        TaskCompletionSource[] arrivals = [.. shares.Buckets.Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously))];
        for (int i = 0; i < arrivals.Length; i++)
            underWay[i] = arrivals[i].Task;
        arrived = 0;
        Action<int>? begun = departures.Length == 0 ? null : bucket => departures[bucket]();
        ranks.Post(() => exchange.Gather(shares.Buckets, exchangedValues, begun, bucket => arrivals[bucket].SetResult())).ContinueWith(
            failed => Array.ForEach(arrivals, arrival => arrival.TrySetException(failed.Exception!.InnerExceptions)), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    /// <summary>Brings a tensor together of which every rank has its share, as an optimiser's state; every rank calls it.</summary>
    /// <param name="state">Of the stretches that this rank owns, one after the other.</param>
    /// <returns>All of it on rank 0, nothing on the others.</returns>
    public float[] Collect(Tensor state)
    {
        bool isFirst = ranks.Rank == 0;
        float[] whole = isFirst ? new float[values.Length] : [];
        IReadOnlyList<Stretch>[] owned = [.. Enumerable.Range(0, ranks.Ranks).Select(shares.Of)];
        int[] lengths = [.. owned.Select(of => of.Sum(stretch => stretch.Length))];
        var block = new float[lengths.Sum(length => Math.Min(length, StatePiece))];
        for (int start = 0; start < lengths.Max(); start += StatePiece)
        {
            Stretch[] pieces = Stretch.OneAfterTheOther([.. lengths.Select(length => Math.Clamp(length - start, 0, StatePiece))]);
            Stretch mine = pieces[ranks.Rank];
            state.Slice(Math.Min(start, state.Length), new Shape(mine.Length)).CopyTo(block.AsSpan(mine.Offset, mine.Length));
            ranks.AllGather(block, pieces);
            for (int rank = 0; isFirst && rank < pieces.Length; rank++)
                Spread(block.AsSpan(pieces[rank].Offset, pieces[rank].Length), start, owned[rank], whole);
        }

        return whole;
    }

    /// <summary>Gives the memory back that it has taken. The thread that exchanges must have ended, or have nothing left to do.</summary>
    public void Dispose()
    {
        copies?.Dispose();
        device?.Dispose();
    }

    /// <summary>Waits for the parameters below an element of the block.</summary>
    private void Await(int end)
    {
        while (arrived < underWay.Length && shares.Buckets[arrived][0].Offset < end)
        {
            ranks.WaitFor(underWay[arrived]);
            Stretch[] bucket = shares.Buckets[arrived];
            arrived++;
            for (int rank = 0; copies is not null && rank < bucket.Length; rank++)
            {
                if (rank != ranks.Rank)
                    copies.CopyToDevice(Of(bucket[rank], exchangedValues), Of(bucket[rank], values));
            }
        }
    }

    /// <summary>Where a branch, by its place among this rank's, is exchanged. The last one is the parameter set's own gradients.</summary>
    private Memory<float> MemoryOf(Tensor branch, int place) => InPlace(branch) ?? (branch == parameters.Gradients ? exchangedGradients : hostBranches[place]);

    /// <summary>A tensor where it lies; null where it is not exchanged there.</summary>
    private Memory<float>? InPlace(Tensor tensor) => device?.Of(tensor) ?? tensor.HostMemory;

    private static Tensor Of(Stretch stretch, Tensor block) => block.Slice(stretch.Offset, new Shape(stretch.Length));

    private static Memory<float> Of(Stretch stretch, Memory<float> block) => block.Slice(stretch.Offset, stretch.Length);

    /// <summary>Puts a piece of a rank's share, from a place of it on, where it belongs in the whole.</summary>
    private static void Spread(ReadOnlySpan<float> piece, int start, IReadOnlyList<Stretch> owned, float[] whole)
    {
        int place = 0;
        foreach (Stretch stretch in owned)
        {
            Stretch common = new Stretch(place, stretch.Length).Common(new Stretch(start, piece.Length));
            if (common.Length > 0)
                piece.Slice(common.Offset - start, common.Length).CopyTo(whole.AsSpan(stretch.Offset + common.Offset - place));
            place += stretch.Length;
        }
    }

    private Memory<float> Mirror() => copies!.AllocateHost(parameters.Gradients.Length);
}
