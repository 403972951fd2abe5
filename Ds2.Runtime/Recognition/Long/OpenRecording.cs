namespace Ds2.Runtime.Recognition.Long;

/// <summary>A recording of which some pieces are on their way.</summary>
internal sealed class OpenRecording(RecordingSource source)
{
    private readonly Lock gate = new();
    private readonly SortedDictionary<int, PieceText> texts = [];
    private int pieces = -1;
    private double seconds;
    private InputException? fault;
    private bool told;

    public RecordingSource Source => source;

    public bool IsFaulty
    {
        get
        {
            lock (gate)
                return fault is not null;
        }
    }

    /// <summary>All pieces have been read.</summary>
    public void End(int count, double length)
    {
        lock (gate)
            (pieces, seconds) = (count, length);
    }

    public void Fail(InputException exception)
    {
        lock (gate)
            fault = exception;
    }

    public void Add(int index, PieceText text)
    {
        lock (gate)
            texts.Add(index, text);
    }

    /// <summary>What became of it, once, as soon as that is known.</summary>
    public TranscriptionOutcome? TakeOutcome(string separator, bool keepsWords)
    {
        lock (gate)
        {
            if (told || fault is null && (pieces < 0 || texts.Count < pieces))
                return null;
            told = true;
            if (fault is not null)
                return new TranscriptionOutcome(source, null, fault);
            IEnumerable<Segment> segments = Stitching.Join([.. texts.Values], separator);
            return new TranscriptionOutcome(
                source, new Transcription(source.Name, seconds, separator, [.. segments.Select(segment => keepsWords ? segment : segment with { Words = [] })]), null);
        }
    }
}
