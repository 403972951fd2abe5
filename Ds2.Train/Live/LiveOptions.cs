namespace Ds2.Train.Live;

/// <summary>How live sound is read, and how its text is shown.</summary>
internal sealed record LiveOptions
{
    /// <summary>Samples a second of raw PCM; null where the input is WAV.</summary>
    public int? Rate { get; init; }

    /// <summary>Whether the current line is rewritten, as on a terminal; else each change is a line of JSON.</summary>
    public bool RewritesLine { get; init; }

    /// <summary>Columns of a terminal's line.</summary>
    public int LineWidth { get; init; } = 80;

    /// <summary>What errors call the input.</summary>
    public string Name { get; init; } = "-";
}
