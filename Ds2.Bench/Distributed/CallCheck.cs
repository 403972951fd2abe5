using System.Text;
using Ds2.Runtime.Distributed;

namespace Ds2.Bench.Distributed;

/// <summary>Every call of a communicator, with lengths that differ between ranks and are nothing for some, held against what must come out.</summary>
internal static class CallCheck
{
    /// <summary>Makes the calls.</summary>
    /// <exception cref="InvalidOperationException">Something else came out.</exception>
    public static void Run(ICommunicator communicator)
    {
        int rank = communicator.Rank, ranks = communicator.Ranks;
        Require(communicator.LocalRank == rank && communicator.Host.Length > 0, "LocalRank and Host");
        AllToAll(communicator);

        int[] counts = [.. Enumerable.Range(0, ranks).Select(each => 1000 * each)];
        float[] block = new float[counts.Sum()];
        block.AsSpan(counts[..rank].Sum(), counts[rank]).Fill(rank);
        communicator.AllGather(block, counts);
        Require(block.SequenceEqual(counts.SelectMany((count, from) => Enumerable.Repeat((float)from, count))), "AllGather of numbers");

        byte[][] messages = communicator.AllGather(Message(rank));
        Require(messages.Length == ranks && messages.Select((message, from) => message.AsSpan().SequenceEqual(Message(from))).All(same => same), "AllGather of messages");

        for (int root = 0; root < ranks; root++)
            Require(communicator.Broadcast(rank == root ? Message(root) : null, root).AsSpan().SequenceEqual(Message(root)), "Broadcast");
        communicator.Barrier();
    }

    private static void AllToAll(ICommunicator communicator)
    {
        int rank = communicator.Rank, ranks = communicator.Ranks;
        int[] sendCounts = [.. Enumerable.Range(0, ranks).Select(to => Count(rank, to))], receiveCounts = [.. Enumerable.Range(0, ranks).Select(from => Count(from, rank))];
        float[] send = [.. sendCounts.SelectMany((count, to) => Stretch(rank, to))], received = new float[receiveCounts.Sum()];
        communicator.AllToAll(send, sendCounts, received, receiveCounts);
        Require(received.SequenceEqual(Enumerable.Range(0, ranks).SelectMany(from => Stretch(from, rank))), "AllToAll");
        Require(send.SequenceEqual(sendCounts.SelectMany((count, to) => Stretch(rank, to))), "AllToAll's own memory");
    }

    private static int Count(int from, int to) => 100 * from * (to + 1) + to;

    private static IEnumerable<float> Stretch(int from, int to) => Enumerable.Range(0, Count(from, to)).Select(i => i + 1000f * from + 100_000f * to);

    /// <summary>Of rank 0 an empty one.</summary>
    private static byte[] Message(int rank) => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat($"rank {rank}, ", 100 * rank)));

    private static void Require(bool right, string call)
    {
        if (!right)
            throw new InvalidOperationException($"{call}: a wrong result");
    }
}
