namespace Ds2.Runtime.Recognition.Long;

/// <summary>Pieces that wait for a batch: those of a length go together. Readers wait where it is full, so that memory does not grow.</summary>
/// <param name="capacity">Frames that may wait.</param>
/// <param name="readers">Who fills it.</param>
internal sealed class PiecePool(long capacity, int readers)
{
    /// <summary>How soon a wait is ended from outside.</summary>
    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(0.2);

    private readonly object gate = new(); // a monitor, as both sides wait for the other
    private readonly List<WaitingPiece> waiting = [];
    private long frames;
    private int reading = readers;
    private bool closed;

    /// <summary>Adds a piece; waits while the pool is full.</summary>
    /// <returns>False where nobody takes pieces any more.</returns>
    public bool Add(WaitingPiece piece)
    {
        lock (gate)
        {
            while (!closed && frames >= capacity)
                Monitor.Wait(gate);
            if (closed)
                return false;
            waiting.Add(piece);
            frames += piece.Frames;
            Monitor.PulseAll(gate);
            return true;
        }
    }

    /// <summary>One reader has no more.</summary>
    public void Finish()
    {
        lock (gate)
        {
            reading--;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>The next batch: the piece that has waited longest and those nearest to it in length; as soon as the pool is full, or nobody reads any more.</summary>
    /// <param name="budget">Frames of the batch, padding included.</param>
    /// <param name="wait">Ends the wait.</param>
    /// <returns>None at the end.</returns>
    /// <exception cref="OperationCanceledException">The wait was ended.</exception>
    public List<WaitingPiece> Take(long budget, CancellationToken wait)
    {
        lock (gate)
        {
            while (frames < capacity && reading > 0)
            {
                wait.ThrowIfCancellationRequested();
                Monitor.Wait(gate, Glance);
            }
            return TakeNow(budget);
        }
    }

    /// <summary>Lets waiting readers go.</summary>
    public void Close()
    {
        lock (gate)
        {
            closed = true;
            Monitor.PulseAll(gate);
        }
    }

    private List<WaitingPiece> TakeNow(long budget)
    {
        if (waiting.Count == 0)
            return [];
        WaitingPiece oldest = waiting[0];
        var batch = new List<WaitingPiece>();
        int longest = 0;
        foreach (WaitingPiece piece in waiting.OrderBy(piece => Math.Abs(piece.Frames - oldest.Frames)))
        {
            int padded = Math.Max(longest, piece.Frames);
            if (batch.Count > 0 && (long)padded * (batch.Count + 1) > budget)
                break;
            batch.Add(piece);
            longest = padded;
        }
        waiting.RemoveAll(batch.Contains);
        frames -= batch.Sum(piece => (long)piece.Frames);
        Monitor.PulseAll(gate);
        return batch;
    }
}

/// <summary>A piece that waits.</summary>
/// <param name="Recording">What it belongs to.</param>
/// <param name="Index">Its number there.</param>
/// <param name="Heard">The piece.</param>
internal sealed record WaitingPiece(OpenRecording Recording, int Index, HeardPiece Heard)
{
    public int Frames => Heard.Features.Frames;
}
