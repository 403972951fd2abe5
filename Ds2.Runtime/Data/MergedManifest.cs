using System.Text;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data;

/// <summary>What became of joined manifests.</summary>
/// <param name="Kept">Utterances in the new manifest.</param>
/// <param name="Seconds">Their length together.</param>
/// <param name="TooShort">Utterances left out as shorter than asked for.</param>
/// <param name="TooLong">Utterances left out as longer.</param>
/// <param name="Repeated">Entries left out because their recording was listed before.</param>
public sealed record MergedManifest(int Kept, double Seconds, int TooShort, int TooLong, int Repeated)
{
    /// <summary>Joins corpora to one manifest, from the shortest utterance to the longest, and leaves out what is too short or too long, and what was listed before.</summary>
    /// <param name="corpora">What is joined; read with <see cref="CorpusOptions.AllowRepeated"/> where their own repetitions are to be left out too.</param>
    /// <param name="output">The new manifest; its paths are relative to its folder.</param>
    /// <param name="minSeconds">Shorter utterances are left out.</param>
    /// <param name="maxSeconds">Longer utterances are left out.</param>
    /// <exception cref="InputException">Nothing is left, or a path cannot be written in a manifest.</exception>
    public static MergedManifest Write(IReadOnlyList<Corpus> corpora, string output, double minSeconds = 0, double maxSeconds = double.PositiveInfinity)
    {
        ArgumentNullException.ThrowIfNull(corpora);
        ArgumentNullException.ThrowIfNull(output);
        int all = corpora.Sum(corpus => corpus.Utterances.Count);
        Utterance[] distinct = [.. corpora.SelectMany(corpus => corpus.Utterances).DistinctBy(utterance => utterance.AudioPath)];
        Utterance[] kept =
        [
            .. distinct.Where(utterance => utterance.Seconds >= minSeconds && utterance.Seconds <= maxSeconds).OrderBy(utterance => utterance.Seconds)
                .ThenBy(utterance => Path.GetFileName(utterance.AudioPath), StringComparer.Ordinal),
        ];
        if (kept.Length == 0)
            throw new InputException($"{output}: not written: of {distinct.Length} utterances none is between {minSeconds} and {maxSeconds} s long");
        string folder = Path.GetDirectoryName(Path.GetFullPath(output))!;
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(
            kept.Select(utterance => ManifestFile.Line(Relative(folder, utterance.AudioPath), Relative(folder, utterance.TextPath)) + "\n")));
        AtomicFile.Write(output, stream => stream.Write(text));
        return new MergedManifest(
            kept.Length, kept.Sum(utterance => utterance.Seconds), distinct.Count(utterance => utterance.Seconds < minSeconds),
            distinct.Count(utterance => utterance.Seconds > maxSeconds), all - distinct.Length);
    }

    private static string Relative(string folder, string path) => Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/');
}
