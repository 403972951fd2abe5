using System.Runtime.InteropServices;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Training;

/// <summary>What the batches of a step come to together, on whichever ranks they are.</summary>
/// <param name="Losses">Of each batch, in order.</param>
/// <param name="Statistics">What each batch with output frames adds to the running statistics, in order.</param>
/// <param name="Squares">The sum of the squares of all gradients.</param>
/// <param name="Agreed">What is to be done after the step.</param>
internal sealed record StepSum(IReadOnlyList<BatchLosses> Losses, IReadOnlyList<float[]> Statistics, double Squares, StepRequests Agreed)
{
    /// <summary>Whether a batch of the step has output frames: without one, there is nothing to learn.</summary>
    public bool Learns => Statistics.Count > 0;
}

/// <summary>What is to be done after a step; of several ranks, each says what it wants and all do the same.</summary>
/// <param name="Stop">The run ends here: any rank may ask for it.</param>
/// <param name="Save">A checkpoint is due, by rank 0's clock.</param>
internal readonly record struct StepRequests(bool Stop, bool Save);

/// <summary>A step of several batches, which may be on several ranks: their gradients are added up, their losses and running statistics brought together, and the parameters that the owners of each share have moved given to all.</summary>
/// <remarks>Every sum has an order that depends on the step's batches alone, so that any number of ranks that divides <see cref="DataOptions.Accumulate"/> leaves the same bits. All ranks call the same methods in the same order.</remarks>
internal sealed class SharedStep : IDisposable
{
    private readonly QueuedCommunicator ranks;
    private readonly ParameterSet parameters;
    private readonly ParameterShares shares;
    private readonly Dictionary<ILayer, int> firstElements;
    private readonly GradientAccumulator accumulator;
    private readonly StepExchange? exchange;
    private readonly GradientNorm norm;
    private readonly int accumulate;
    private readonly List<(BatchLosses Losses, float[]? Statistics)> own = [];
    private readonly (int Rank, Stretch Piece)[] pieces;
    private readonly Stretch[] ownPieces;
    private IReadOnlyList<Branch>[] branches = [];
    private Tensor? squares;

    /// <summary>Sets up steps.</summary>
    /// <param name="options">How the model is trained.</param>
    /// <param name="model">The model; running statistics are collected from now on (<see cref="ParameterSet.CollectStatistics"/>).</param>
    /// <param name="ranks">The ranks.</param>
    /// <param name="accumulate">Batches of a whole step, a multiple of the ranks.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public SharedStep(TrainingOptions options, DeepSpeech2 model, QueuedCommunicator ranks, int accumulate)
    {
        if (accumulate % ranks.Ranks != 0)
            throw new ArgumentException($"{ranks.Ranks} ranks cannot share steps of {accumulate} batches evenly", nameof(accumulate));
        (this.ranks, parameters, this.accumulate) = (ranks, model.Parameters, accumulate);
        parameters.CollectStatistics();
        firstElements = model.Layers.Where(layer => layer.Layer.Parameters.Count > 0)
            .ToDictionary(layer => layer.Layer, layer => layer.Layer.Parameters.Min(parameters.OffsetOf));
        shares = new ParameterShares(parameters, [.. firstElements.Values.Order()], ranks.Ranks, Optimizer.TakesMatrices(options));
        (int first, int end) = LaneOf(ranks.Rank).PlacesOf(accumulate, accumulate);
        accumulator = new GradientAccumulator(parameters, first, end);
        exchange = ranks.Ranks > 1 ? new StepExchange(ranks, parameters, shares) : null;
        norm = GradientNorm.On(parameters.Engine);
        pieces = [.. shares.Pieces];
        ownPieces = [.. pieces.Where(piece => piece.Rank == ranks.Rank).Select(piece => piece.Piece)];
    }

    /// <summary>The stretches of the parameters that this rank's optimiser updates.</summary>
    public IReadOnlyList<Stretch> Share => shares.Of(ranks.Rank);

    /// <summary>Tensors as large as all parameters that it takes.</summary>
    public int Buffers => accumulator.Buffers;

    /// <summary>Takes the memory, once.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve()
    {
        accumulator.Reserve();
        // A shorter step may leave one more branch on the rank that has its last batches, and none on those behind.
        IReadOnlyList<Branch>[][] steps = [.. Enumerable.Range(1, accumulate).Select(AllBranches)];
        exchange?.Reserve(steps.Max(ofRanks => ofRanks.Sum(of => of.Count) - ofRanks[ranks.Rank].Count), steps.Max(ofRanks => ofRanks[ranks.Rank].Count));
        squares ??= parameters.Engine.Allocate(new Shape(Math.Max(ownPieces.Sum(SquaresRoom), 1)));
    }

    /// <summary>Begins a step.</summary>
    public void Begin()
    {
        own.Clear();
        accumulator.Begin();
    }

    /// <summary>Takes in the gradients of a batch that is not this rank's last, which stand in the parameter set.</summary>
    public void Add(StepPart part) => accumulator.Add(part.Place);

    /// <summary>Before the backward pass of this rank's last batch, which may be none.</summary>
    public void BeginLast(StepPart part)
    {
        branches = AllBranches(part.Of);
        exchange?.Begin();
        if (part.Place < part.End)
            accumulator.AddLast(part.Place);
    }

    /// <summary>In the backward pass of this rank's last batch: the gradients of a layer and of those above it are there, and leave.</summary>
    public void EndLayer(ILayer layer)
    {
        if (exchange is not null && firstElements.TryGetValue(layer, out int first))
            exchange.Send(first, accumulator, branches);
    }

    /// <summary>After the backward pass of this rank's last batch: what has not left yet leaves.</summary>
    public void EndLast() => exchange?.Send(0, accumulator, branches);

    /// <summary>Takes note of what came out of it, once the engine has been waited for.</summary>
    /// <param name="losses">Its losses.</param>
    /// <param name="statistics">What it adds to the running statistics; null where it has no output frames.</param>
    public void Add(BatchLosses losses, float[]? statistics)
    {
        if (losses.Ids.Length > 0)
            own.Add((losses, statistics));
    }

    /// <summary>After this rank's last batch: what all ranks' batches come to. The gradients' sum stands in this rank's share of the parameter set's.</summary>
    /// <param name="optimizer">Knows which parameters are frozen.</param>
    /// <param name="requests">What this rank wants.</param>
    public StepSum BringTogether(Optimizer optimizer, StepRequests requests)
    {
        if (exchange is null)
            accumulator.AddUp();
        else
            exchange.AwaitSums();
        optimizer.ClearFrozen();
        byte[][] messages = ranks.AllGather(Message(writer =>
        {
            writer.Write(requests.Stop);
            writer.Write(requests.Save);
            Write<double>(writer, OwnSquares());
            writer.Write(own.Count);
            foreach ((BatchLosses losses, float[]? statistics) in own)
            {
                losses.Write(writer);
                Write<float>(writer, statistics);
            }
        }));
        var losses = new List<BatchLosses>();
        var statistics = new List<float[]>();
        var sums = new double[messages.Length][];
        var agreed = default(StepRequests);
        for (int rank = 0; rank < messages.Length; rank++)
        {
            using var reader = new BinaryReader(new MemoryStream(messages[rank]));
            (bool stop, bool save) = (reader.ReadBoolean(), reader.ReadBoolean());
            agreed = new StepRequests(agreed.Stop || stop, rank == 0 ? save : agreed.Save);
            sums[rank] = Read<double>(reader);
            for (int count = reader.ReadInt32(); count > 0; count--)
            {
                losses.Add(BatchLosses.Read(reader));
                if (Read<float>(reader) is { Length: > 0 } added)
                    statistics.Add(added);
            }
        }

        return new StepSum(losses, statistics, Total(sums), agreed);
    }

    /// <summary>After the update: all ranks get the parameters that each owner has moved, and running statistics as the batches leave them one after the other.</summary>
    public void GiveToAll(StepSum sum)
    {
        exchange?.SendParameters();
        parameters.MoveStatistics(sum.Statistics);
    }

    /// <summary>An optimiser's state, all of it on rank 0; every rank of several calls it.</summary>
    /// <param name="share">This rank's share of it.</param>
    public float[] Collect(Tensor share) => exchange!.Collect(share);

    public void Dispose()
    {
        // The model stays, and its parameters are where they are.
        parameters.BeforeRead = null;
        exchange?.Dispose();
        squares?.Dispose();
        accumulator.Dispose();
    }

    private Lane LaneOf(int rank) => new(rank, ranks.Ranks);

    /// <summary>The branches that each rank has of a step, in order.</summary>
    private IReadOnlyList<Branch>[] AllBranches(int batches)
    {
        var all = new IReadOnlyList<Branch>[ranks.Ranks];
        for (int rank = 0; rank < all.Length; rank++)
        {
            (int first, int end) = LaneOf(rank).PlacesOf(accumulate, batches);
            all[rank] = SumTree.Branches(first, end);
        }

        return all;
    }

    /// <summary>Of each part of the share, in order.</summary>
    private double[] OwnSquares()
    {
        int place = 0;
        foreach (Stretch piece in ownPieces)
        {
            norm.SumsOfSquares(parameters.Gradients.Slice(piece.Offset, new Shape(piece.Length)), squares!.Slice(place, new Shape(2 * GradientNorm.Parts(piece.Length))));
            place += SquaresRoom(piece);
        }

        ReadOnlySpan<double> sums = MemoryMarshal.Cast<float, double>(squares!.ToArray());
        var all = new List<double>();
        place = 0;
        foreach (Stretch piece in ownPieces)
        {
            all.AddRange(sums.Slice(place / 2, GradientNorm.Parts(piece.Length)));
            place += SquaresRoom(piece);
        }

        return [.. all];
    }

    /// <summary>The squares of all ranks' parts, added up in the order of memory.</summary>
    private double Total(double[][] sums)
    {
        double total = 0;
        var next = new int[sums.Length];
        foreach ((int rank, Stretch piece) in pieces)
        {
            for (int part = GradientNorm.Parts(piece.Length); part > 0; part--)
                total += sums[rank][next[rank]++];
        }

        return total;
    }

    private static int SquaresRoom(Stretch piece) => Workspace.Round(2 * GradientNorm.Parts(piece.Length));

    private static byte[] Message(Action<BinaryWriter> write)
    {
        var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream))
            write(writer);
        return stream.ToArray();
    }

    private static void Write<T>(BinaryWriter writer, T[]? values)
        where T : unmanaged
    {
        writer.Write(values?.Length ?? 0);
        writer.Write(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    private static T[] Read<T>(BinaryReader reader)
        where T : unmanaged
    {
        var values = new T[reader.ReadInt32()];
        reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
