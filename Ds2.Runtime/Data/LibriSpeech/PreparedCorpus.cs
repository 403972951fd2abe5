namespace Ds2.Runtime.Data.LibriSpeech;

/// <summary>What became of one split of LibriSpeech.</summary>
/// <param name="Name">train-clean-100, dev-other, ….</param>
/// <param name="Set">The set it went to: train, val or test.</param>
/// <param name="Manifest">The split's own manifest.</param>
/// <param name="Utterances">Utterances in it.</param>
/// <param name="Converted">Those of them that were converted now; the others were there already.</param>
/// <param name="Hours">Length of its recordings.</param>
public sealed record PreparedSplit(string Name, string Set, string Manifest, int Utterances, int Converted, double Hours);

/// <summary>What became of an unpacked LibriSpeech.</summary>
/// <param name="Splits">In the order of their names.</param>
/// <param name="Manifests">The manifests of the sets, training first: those of train, val and test that have utterances.</param>
public sealed record PreparedCorpus(IReadOnlyList<PreparedSplit> Splits, IReadOnlyList<string> Manifests)
{
    /// <summary>Utterances of all splits.</summary>
    public int Utterances => Splits.Sum(split => split.Utterances);

    /// <summary>Utterances that were converted now.</summary>
    public int Converted => Splits.Sum(split => split.Converted);

    /// <summary>Length of all recordings.</summary>
    public double Hours => Splits.Sum(split => split.Hours);
}
