namespace Ds2.Runtime.Distributed;

/// <summary>Neighbouring elements of a block of memory.</summary>
/// <param name="Offset">The first one's place.</param>
/// <param name="Length">How many.</param>
public readonly record struct Stretch(int Offset, int Length)
{
    /// <summary>The place after the last one's.</summary>
    public int End => Offset + Length;

    /// <summary>What two stretches have in common; without elements where that is nothing.</summary>
    public Stretch Common(Stretch other)
    {
        int start = Math.Max(Offset, other.Offset), end = Math.Min(End, other.End);
        return new Stretch(start, Math.Max(end - start, 0));
    }

    /// <summary>So many of its elements from a place in it; fewer, or none, where it ends before.</summary>
    public Stretch Part(int start, int length)
    {
        int first = Math.Min(start, Length);
        return new Stretch(Offset + first, Math.Min(length, Length - first));
    }

    /// <summary>Stretches of these lengths, one after the other.</summary>
    public static Stretch[] OneAfterTheOther(ReadOnlySpan<int> lengths)
    {
        var stretches = new Stretch[lengths.Length];
        int offset = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            stretches[i] = new Stretch(offset, lengths[i]);
            offset = checked(offset + lengths[i]);
        }

        return stretches;
    }

    /// <summary>Checks that there is a stretch for each rank, and that all lie in the memory.</summary>
    /// <exception cref="ArgumentException">They do not.</exception>
    internal static void Check(ReadOnlySpan<Stretch> stretches, int ranks, int length, string name)
    {
        if (stretches.Length != ranks)
            throw new ArgumentException($"{stretches.Length} stretches for {ranks} ranks", name);
        foreach (Stretch stretch in stretches)
        {
            if (stretch.Offset < 0 || stretch.Length < 0 || stretch.Offset > length - stretch.Length)
                throw new ArgumentException($"a stretch of {stretch.Length} elements from {stretch.Offset} on, in memory of {length}", name);
        }
    }

    /// <summary>Checks what a rank is to exchange, and copies what it sends itself.</summary>
    /// <exception cref="ArgumentException">As <see cref="ICommunicator.StartAllToAll"/> says.</exception>
    internal static void CopyOwn(ICommunicator communicator, ReadOnlyMemory<float> send, ReadOnlySpan<Stretch> sent, Memory<float> receive, ReadOnlySpan<Stretch> received)
    {
        Check(sent, communicator.Ranks, send.Length, nameof(sent));
        Check(received, communicator.Ranks, receive.Length, nameof(received));
        (Stretch from, Stretch to) = (sent[communicator.Rank], received[communicator.Rank]);
        if (from.Length != to.Length)
            throw new ArgumentException($"a rank sends itself {from.Length} elements and receives {to.Length}", nameof(received));

        // Of a device's memory there is nothing for the host to copy.
        if (from.Length > 0)
            send.Span.Slice(from.Offset, from.Length).CopyTo(receive.Span[to.Offset..]);
    }
}
