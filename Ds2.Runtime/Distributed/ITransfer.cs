namespace Ds2.Runtime.Distributed;

/// <summary>Stretches of memory on their way between ranks.</summary>
public interface ITransfer
{
    /// <summary>Returns when what this rank sends and receives has been sent and received; once.</summary>
    /// <exception cref="DistributedException">It has failed, or the others did not come within the time limit.</exception>
    void Wait();
}

/// <summary>What transfers of stretches to each serve for.</summary>
public static class Transfers
{
    /// <summary>Sends each rank a stretch of its own, and receives one from each, as <see cref="ICommunicator.StartAllToAll"/> begins to.</summary>
    public static void AllToAll(this ICommunicator communicator, ReadOnlyMemory<float> send, ReadOnlySpan<Stretch> sent, Memory<float> receive, ReadOnlySpan<Stretch> received)
    {
        ArgumentNullException.ThrowIfNull(communicator);
        communicator.StartAllToAll(send, sent, receive, received).Wait();
    }

    /// <summary>Begins to give every rank what each of them has, in place.</summary>
    /// <param name="communicator">The ranks.</param>
    /// <param name="block">This rank has its stretch; the others' are overwritten, and what is in none stays.</param>
    /// <param name="stretches">That of each rank, by rank, the same on all of them; no two overlap.</param>
    /// <exception cref="ArgumentException">Stretches are not as many as ranks, or one does not lie in the block.</exception>
    /// <exception cref="DistributedException">See the remarks on <see cref="ICommunicator"/>.</exception>
    public static ITransfer StartAllGather(this ICommunicator communicator, Memory<float> block, ReadOnlySpan<Stretch> stretches)
    {
        ArgumentNullException.ThrowIfNull(communicator);
        Stretch.Check(stretches, communicator.Ranks, block.Length, nameof(stretches));
        var sent = new Stretch[stretches.Length];
        Stretch[] received = stretches.ToArray();
        Array.Fill(sent, stretches[communicator.Rank]);
        sent[communicator.Rank] = received[communicator.Rank] = default;
        return communicator.StartAllToAll(block, sent, block, received);
    }

    /// <summary>Gives every rank what each of them has, in place, as <see cref="StartAllGather"/> begins to.</summary>
    public static void AllGather(this ICommunicator communicator, Memory<float> block, ReadOnlySpan<Stretch> stretches) => communicator.StartAllGather(block, stretches).Wait();
}
