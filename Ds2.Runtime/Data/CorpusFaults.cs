namespace Ds2.Runtime.Data;

/// <summary>A line of a manifest that cannot be used.</summary>
/// <param name="Line">The line, from 1.</param>
/// <param name="Message">The file, and what is wrong.</param>
public sealed record CorpusFault(int Line, string Message);

/// <summary>Several lines of a manifest cannot be used: all of them are told at once, as whoever mends a data set wants to know.</summary>
/// <param name="manifestPath">The manifest.</param>
/// <param name="lines">Utterances that it lists.</param>
/// <param name="faults">What is wrong, in the manifest's order.</param>
public sealed class CorpusFaultsException(string manifestPath, int lines, IReadOnlyList<CorpusFault> faults)
    : Exception($"{manifestPath}: {faults.Count} of {lines} utterances cannot be used")
{
    /// <summary>The manifest.</summary>
    public string ManifestPath { get; } = manifestPath;

    /// <summary>What is wrong, in the manifest's order.</summary>
    public IReadOnlyList<CorpusFault> Faults { get; } = faults;
}
