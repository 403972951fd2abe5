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
        string[] hosts = [.. communicator.AllGather(Encoding.UTF8.GetBytes(communicator.Host)).Select(Encoding.UTF8.GetString)];
        Require(communicator.Host.Length > 0 && communicator.LocalRank == hosts[..rank].Count(host => host == hosts[rank]), "LocalRank and Host");
        AllToAll(communicator);

        // A gap before each stretch must stay.
        Stretch[] stretches = [.. Enumerable.Range(0, ranks).Select(each => new Stretch(1000 * each * each + 10, 1000 * each))];
        float[] block = new float[stretches[^1].End + 10], expected = [.. block];
        block.AsSpan(stretches[rank].Offset, stretches[rank].Length).Fill(rank);
        for (int from = 0; from < ranks; from++)
            expected.AsSpan(stretches[from].Offset, stretches[from].Length).Fill(from);
        communicator.AllGather(block, stretches);
        Require(block.SequenceEqual(expected), "AllGather of numbers");

        byte[][] messages = communicator.AllGather(Message(rank));
        Require(messages.Length == ranks && messages.Select((message, from) => message.AsSpan().SequenceEqual(Message(from))).All(same => same), "AllGather of messages");

        for (int root = 0; root < ranks; root++)
            Require(communicator.Broadcast(rank == root ? Message(root) : null, root).AsSpan().SequenceEqual(Message(root)), "Broadcast");
        communicator.Barrier();
    }

    private static void AllToAll(ICommunicator communicator)
    {
        int rank = communicator.Rank, ranks = communicator.Ranks;
        Stretch[] sent = Stretch.OneAfterTheOther([.. Enumerable.Range(0, ranks).Select(to => Count(rank, to))]);
        // Received in another order than that of the ranks.
        Stretch[] received = [.. Stretch.OneAfterTheOther([.. Enumerable.Range(0, ranks).Reverse().Select(from => Count(from, rank))]).Reverse()];
        float[] send = [.. sent.SelectMany((_, to) => Values(rank, to))], copy = [.. send], receive = new float[received.Sum(stretch => stretch.Length)];
        communicator.AllToAll(send, sent, receive, received);
        Require(receive.SequenceEqual(Enumerable.Range(0, ranks).Reverse().SelectMany(from => Values(from, rank))), "AllToAll");
        Require(send.SequenceEqual(copy), "AllToAll's own memory");
    }

    private static int Count(int from, int to) => 100 * from * (to + 1) + to;

    private static IEnumerable<float> Values(int from, int to) => Enumerable.Range(0, Count(from, to)).Select(i => i + 1000f * from + 100_000f * to);

    /// <summary>Of rank 0 an empty one.</summary>
    private static byte[] Message(int rank) => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat($"rank {rank}, ", 100 * rank)));

    private static void Require(bool right, string call)
    {
        if (!right)
            throw new InvalidOperationException($"{call}: a wrong result");
    }
}
