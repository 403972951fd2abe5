using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;
using Ds2.Runtime.Files;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Data;

/// <summary>An utterance that is not trained on.</summary>
/// <param name="Utterance">The utterance.</param>
/// <param name="Reason">Why.</param>
public sealed record LeftOut(Utterance Utterance, string Reason);

/// <summary>The utterances that a manifest lists, sorted by length.</summary>
public sealed class Corpus
{
    private Corpus(string manifestPath, Utterance[] utterances, LeftOut[] leftOut, CorpusFault[] faults, TextReport characters)
    {
        Faults = faults;
        ManifestPath = manifestPath;
        Characters = characters;
        Utterances = utterances;
        LeftOut = leftOut;
        TotalSeconds = utterances.Sum(u => u.Seconds);
    }

    /// <summary>The file that lists the utterances.</summary>
    public string ManifestPath { get; }

    /// <summary>From the shortest to the longest; equally long ones in the manifest's order.</summary>
    public IReadOnlyList<Utterance> Utterances { get; }

    /// <summary>The utterances that <see cref="Without"/> took away, from the shortest to the longest.</summary>
    public IReadOnlyList<LeftOut> LeftOut { get; }

    /// <summary>The manifest's lines that could not be used and were passed over.</summary>
    public IReadOnlyList<CorpusFault> Faults { get; }

    /// <summary>What the alphabet does not have in the manifest's texts.</summary>
    public TextReport Characters { get; }

    /// <summary>Length of all recordings together.</summary>
    public double TotalSeconds { get; }

    /// <summary>Reads a manifest, the transcripts it lists, and the recordings' lengths.</summary>
    /// <param name="manifestPath">A file of lines <c>audio path,text path</c>; relative paths start at the manifest's folder; empty lines are skipped.</param>
    /// <param name="alphabet">Turns the transcripts into labels.</param>
    /// <param name="skipFaults">Whether to pass over utterances that cannot be used.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="InputException">The manifest is missing, empty or malformed; a file it lists is missing or damaged, or a recording is listed twice.</exception>
    /// <exception cref="CorpusFaultsException">There are several such faults.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static Corpus Load(string manifestPath, Alphabet alphabet, bool skipFaults = false, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(manifestPath);
        ArgumentNullException.ThrowIfNull(alphabet);
        IReadOnlyList<ManifestEntry> entries = ManifestFile.Read(manifestPath);
        Range[] ids = UtteranceIds.In([.. entries.Select(entry => entry.AudioPath)]);
        var utterances = new Utterance[entries.Count];
        var faults = new InputException?[entries.Count];
        var normalization = new TextNormalization(alphabet);
        var characters = new TextReport(manifestPath);
        Parallel.For(0, entries.Count, new ParallelOptions { CancellationToken = cancellation }, () => new TextReport(manifestPath), (i, _, report) =>
        {
            try
            {
                utterances[i] = Read(manifestPath, entries[i], ids[i], normalization, report);
            }
            catch (InputException e)
            {
                faults[i] = e;
            }
            return report;
        }, report =>
        {
            lock (characters)
                characters.Merge(report);
        });
        var first = new Dictionary<string, int>();
        for (int i = 0; i < entries.Count; i++)
        {
            // Trained on twice an epoch by mistake, or with two texts.
            if (faults[i] is null && !first.TryAdd(utterances[i].AudioPath, entries[i].Line))
                faults[i] = new InputException($"{manifestPath}: line {entries[i].Line}: the same recording as line {first[utterances[i].AudioPath]}");
        }
        CorpusFault[] found = [.. entries.Zip(faults).Where(pair => pair.Second is not null).Select(pair => new CorpusFault(pair.First.Line, pair.Second!.Message))];
        if (found.Length == 1 && (!skipFaults || entries.Count == 1))
            throw new InputException(found[0].Message, Array.Find(faults, fault => fault is not null));
        if (found.Length > 0 && (!skipFaults || found.Length == entries.Count))
            throw new CorpusFaultsException(manifestPath, entries.Count, found);
        // LINQ's sort is stable, Array.Sort is not: ties must keep the manifest's order on every machine.
        return new Corpus(manifestPath, [.. utterances.Where((_, i) => faults[i] is null).OrderBy(u => u.Seconds)], [], found, characters);
    }

    /// <summary>Finds out before anything is trained or scored that some of the files cannot give the features that are asked for.</summary>
    /// <param name="kind">The features.</param>
    /// <exception cref="InputException">Files hold cepstral coefficients, and a spectrogram cannot be made from these.</exception>
    public void RequireFeatures(FeatureKind kind)
    {
        if (kind == FeatureKind.Spectrogram && Utterances.Where(utterance => utterance.HoldsFeatures).ToArray() is [var first, ..] all)
            throw new InputException(
                $"{first.AudioPath}: holds cepstral coefficients, as {all.Length} of {Utterances.Count} files of {ManifestPath} do: the features 'spectrogram' cannot be made from them; use 'mfcc' or 'mfcc-raw'");
    }

    /// <summary>The corpus without some utterances.</summary>
    /// <param name="reason">Why an utterance is left out; null where it stays.</param>
    /// <exception cref="InputException">None stays.</exception>
    public Corpus Without(Func<Utterance, string?> reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        (Utterance Utterance, string? Reason)[] all = [.. Utterances.Select(utterance => (utterance, reason(utterance)))];
        Utterance[] kept = [.. all.Where(pair => pair.Reason is null).Select(pair => pair.Utterance)];
        if (kept.Length == 0)
            throw new InputException($"{ManifestPath}: no utterance is left to train on; {all[0].Utterance.AudioPath}: {all[0].Reason}");
        return new Corpus(ManifestPath, kept, [.. LeftOut, .. all.Where(pair => pair.Reason is not null).Select(pair => new LeftOut(pair.Utterance, pair.Reason!))], [.. Faults], Characters);
    }

    private static Utterance Read(string manifestPath, ManifestEntry entry, Range id, TextNormalization normalization, TextReport report)
    {
        (string audioPath, string textPath, int number) = entry;
        if (!File.Exists(audioPath))
            throw new InputException($"{audioPath}: no such file (line {number} of {manifestPath})");
        if (!File.Exists(textPath))
            throw ManifestFile.NoSuchText(textPath, manifestPath, number);
        string text = normalization.Normalize(InputFile.ReadText(textPath), report, textPath, number);
        int[] labels = normalization.Encode(text);
        return new Utterance(audioPath[id], audioPath, textPath, text, labels, AudioFile.Duration(audioPath));
    }
}
