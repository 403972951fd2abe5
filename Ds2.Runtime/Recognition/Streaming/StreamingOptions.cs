namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>When what was heard is final.</summary>
public sealed record StreamingOptions
{
    /// <summary>Seconds without a letter after which a passage is over.</summary>
    public double Pause { get; init; } = 0.8;

    /// <summary>Seconds after which a passage without a pause ends with the word that is being said; twice as many seconds end it wherever it is.</summary>
    public double LongestPassage { get; init; } = 30;
}
