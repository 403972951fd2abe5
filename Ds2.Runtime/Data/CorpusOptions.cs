namespace Ds2.Runtime.Data;

/// <summary>How a corpus is read.</summary>
public sealed record CorpusOptions
{
    /// <summary>What the name of a manifest's index ends in, after the manifest's own.</summary>
    public const string IndexSuffix = ".ds2-index";

    /// <summary>Whether utterances that cannot be used are passed over, instead of ending the reading.</summary>
    public bool SkipFaults { get; init; }

    /// <summary>Whether a recording may be listed several times; otherwise all but the first are faults.</summary>
    public bool AllowRepeated { get; init; }

    /// <summary>Hears how the reading goes on, where it takes longer than a moment; null for nobody.</summary>
    public IWorkProgress? Progress { get; init; }

    /// <summary>Manifests of as many lines get an index (docs/data.md); for fewer it saves nothing that could be felt.</summary>
    public int IndexFrom { get; init; } = 2000;

    /// <summary>What takes less time goes without a word.</summary>
    internal TimeSpan Moment { get; init; } = TimeSpan.FromSeconds(0.3);

    /// <summary>The coarsest clock of a file system: what changed within it is read again the next time.</summary>
    internal TimeSpan FileTick { get; init; } = TimeSpan.FromSeconds(2);
}
