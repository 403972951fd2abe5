using System.Runtime.InteropServices;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>What the batches of a step come to together, on whichever ranks they are.</summary>
/// <param name="Losses">Of each batch, in order.</param>
/// <param name="Statistics">What each batch with output frames adds to the running statistics, in order.</param>
internal sealed record StepSum(IReadOnlyList<BatchLosses> Losses, IReadOnlyList<float[]> Statistics)
{
    /// <summary>Whether a batch of the step has output frames: without one, there is nothing to learn.</summary>
    public bool Learns => Statistics.Count > 0;
}

/// <summary>A step of several batches, which may be on several ranks: their gradients are added up, their losses and running statistics brought together, and the parameters that the owners of each share have moved given to all.</summary>
/// <remarks>Every sum has an order that depends on the step's batches alone, so that any number of ranks that divides <see cref="DataOptions.Accumulate"/> leaves the same bits. All ranks call the same methods in the same order.</remarks>
internal sealed class SharedStep : IDisposable
{
    private readonly ICommunicator communicator;
    private readonly ParameterSet parameters;
    private readonly ParameterShares shares;
    private readonly GradientAccumulator accumulator;
    private readonly StepExchange exchange;
    private readonly GradientNorm norm;
    private readonly int accumulate;
    private readonly List<(BatchLosses Losses, float[]? Statistics)> own = [];
    private readonly Share[] pieces;
    private Tensor? squares;

    /// <summary>Sets up steps.</summary>
    /// <param name="options">How the model is trained.</param>
    /// <param name="parameters">The model's; running statistics are collected from now on (<see cref="ParameterSet.CollectStatistics"/>).</param>
    /// <param name="communicator">The ranks.</param>
    /// <param name="accumulate">Batches of a whole step, a multiple of the ranks.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public SharedStep(TrainingOptions options, ParameterSet parameters, ICommunicator communicator, int accumulate)
    {
        if (accumulate % communicator.Ranks != 0)
            throw new ArgumentException($"{communicator.Ranks} ranks cannot share steps of {accumulate} batches evenly", nameof(accumulate));
        (this.communicator, this.parameters, this.accumulate) = (communicator, parameters, accumulate);
        parameters.CollectStatistics();
        shares = new ParameterShares(parameters, communicator.Ranks, Optimizer.TakesMatrices(options));
        (int first, int end) = LaneOf(communicator.Rank).PlacesOf(accumulate, accumulate);
        accumulator = new GradientAccumulator(parameters, first, end);
        exchange = new StepExchange(communicator, parameters, shares);
        norm = GradientNorm.On(parameters.Engine);
        pieces = [.. shares.PiecesOf(communicator.Rank)];
    }

    /// <summary>The stretch of the parameters that this rank's optimiser updates.</summary>
    public Share Share => shares.All[communicator.Rank];

    /// <summary>Tensors as large as all parameters that it takes.</summary>
    public int Buffers => accumulator.Buffers;

    /// <summary>Takes the memory, once.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve()
    {
        accumulator.Reserve();
        // A shorter step may leave one more branch on the rank that has its last batches, and none on those behind.
        exchange.Reserve(Enumerable.Range(1, accumulate).Max(batches => AllBranches(batches).Sum(branches => branches.Count)));
        squares ??= parameters.Engine.Allocate(new Shape(pieces.Sum(SquaresRoom)));
    }

    /// <summary>Begins a step.</summary>
    public void Begin()
    {
        own.Clear();
        accumulator.Begin();
    }

    /// <summary>Takes in the gradients of a batch of this rank, which stand in the parameter set.</summary>
    public void Add(StepPart part)
    {
        if (part.Place < part.End)
            accumulator.Add(part.Place, part.IsLast);
    }

    /// <summary>Takes note of what came out of it, once the engine has been waited for.</summary>
    /// <param name="losses">Its losses.</param>
    /// <param name="statistics">What it adds to the running statistics; null where it has no output frames.</param>
    public void Add(BatchLosses losses, float[]? statistics)
    {
        if (losses.Ids.Length > 0)
            own.Add((losses, statistics));
    }

    /// <summary>After this rank's last batch: what all ranks' batches come to.</summary>
    public StepSum BringTogether()
    {
        byte[][] messages = communicator.AllGather(Message(writer =>
        {
            writer.Write(own.Count);
            foreach ((BatchLosses losses, float[]? statistics) in own)
            {
                losses.Write(writer);
                writer.Write(statistics?.Length ?? 0);
                writer.Write(MemoryMarshal.AsBytes(statistics.AsSpan()));
            }
        }));
        var all = new List<BatchLosses>();
        var added = new List<float[]>();
        foreach (byte[] message in messages)
        {
            using var reader = new BinaryReader(new MemoryStream(message));
            for (int count = reader.ReadInt32(); count > 0; count--)
            {
                all.Add(BatchLosses.Read(reader));
                var statistics = new float[reader.ReadInt32()];
                reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(statistics.AsSpan()));
                if (statistics.Length > 0)
                    added.Add(statistics);
            }
        }

        return new StepSum(all, added);
    }

    /// <summary>Adds up the gradients of all ranks' batches, in this rank's share of the parameter set's, and the squares of the sums.</summary>
    /// <param name="batches">Batches of the step.</param>
    /// <param name="optimizer">Knows which parameters are frozen.</param>
    /// <returns>The sum of the squares of the whole step's gradients.</returns>
    public double AddUp(int batches, Optimizer optimizer)
    {
        exchange.AddUp(accumulator, AllBranches(batches));
        optimizer.ClearFrozen();
        double total = 0;
        foreach (byte[] sums in communicator.AllGather(MemoryMarshal.AsBytes<double>(OwnSquares())))
        {
            foreach (double sum in MemoryMarshal.Cast<byte, double>(sums))
                total += sum;
        }

        return total;
    }

    /// <summary>After the update: all ranks have the parameters that each owner has moved, and running statistics as the batches leave them one after the other.</summary>
    public void GiveToAll(StepSum sum)
    {
        exchange.GatherParameters();
        parameters.MoveStatistics(sum.Statistics);
    }

    /// <summary>An optimiser's state, all of it on rank 0; every rank calls it.</summary>
    /// <param name="share">This rank's share of it.</param>
    public float[] Collect(Tensor share) => exchange.Collect(share);

    public void Dispose()
    {
        squares?.Dispose();
        exchange.Dispose();
        accumulator.Dispose();
    }

    private Lane LaneOf(int rank) => new(rank, communicator.Ranks);

    /// <summary>The branches that each rank has of a step, in order.</summary>
    private IReadOnlyList<Branch>[] AllBranches(int batches)
    {
        var all = new IReadOnlyList<Branch>[communicator.Ranks];
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
        foreach (Share piece in pieces)
        {
            norm.SumsOfSquares(parameters.Gradients.Slice(piece.Offset, new Shape(piece.Length)), squares!.Slice(place, new Shape(2 * GradientNorm.Parts(piece.Length))));
            place += SquaresRoom(piece);
        }

        ReadOnlySpan<double> sums = MemoryMarshal.Cast<float, double>(squares!.ToArray());
        var all = new List<double>();
        place = 0;
        foreach (Share piece in pieces)
        {
            all.AddRange(sums.Slice(place / 2, GradientNorm.Parts(piece.Length)));
            place += SquaresRoom(piece);
        }

        return [.. all];
    }

    private static int SquaresRoom(Share piece) => Workspace.Round(2 * GradientNorm.Parts(piece.Length));

    private static byte[] Message(Action<BinaryWriter> write)
    {
        var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream))
            write(writer);
        return stream.ToArray();
    }
}
