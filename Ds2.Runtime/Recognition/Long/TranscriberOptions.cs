namespace Ds2.Runtime.Recognition.Long;

/// <summary>What a <see cref="Transcriber"/> is to do.</summary>
public sealed record TranscriberOptions
{
    /// <summary>Whether segments begin and end with their words; if not, with their pieces, and words are aligned only where pieces have to be joined.</summary>
    public bool Words { get; init; }

    /// <summary>Whether segments keep their words; if not, these serve joining and the segments' times alone.</summary>
    public bool KeepsWords { get; init; }

    /// <summary>Whether words have their confidence, by a beam search beside whatever decoder wrote the text.</summary>
    public bool Confidence { get; init; }

    /// <summary>Alternative texts of each segment.</summary>
    public int Alternatives { get; init; }

    /// <summary>Recordings that are read at once.</summary>
    public int Readers { get; init; } = 1;

    /// <summary>Sound in a batch, padding included, in seconds.</summary>
    public double BatchSeconds { get; init; } = 60;
}
