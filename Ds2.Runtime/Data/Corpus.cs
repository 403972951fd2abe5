using Ds2.Runtime.Features;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Data;

/// <summary>An utterance that is not trained on.</summary>
/// <param name="Utterance">The utterance.</param>
/// <param name="Reason">Why.</param>
public sealed record LeftOut(Utterance Utterance, string Reason);

/// <summary>The utterances that a manifest lists, sorted by length.</summary>
public sealed class Corpus
{
    private readonly UtteranceTable table;

    private Corpus(string manifestPath, Alphabet alphabet, UtteranceTable utterances, LeftOut[] leftOut, CorpusFault[] faults, TextReport characters)
    {
        Faults = faults;
        ManifestPath = manifestPath;
        Alphabet = alphabet;
        Characters = characters;
        table = utterances;
        LeftOut = leftOut;
        TotalSeconds = utterances.Sum(u => u.Seconds);
    }

    /// <summary>The file that lists the utterances.</summary>
    public string ManifestPath { get; }

    /// <summary>What its transcripts' labels are those of.</summary>
    public Alphabet Alphabet { get; }

    /// <summary>From the shortest to the longest; equally long ones in the manifest's order.</summary>
    public IReadOnlyList<Utterance> Utterances => table;

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
    /// <param name="options">How; null for the plain way.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="InputException">The manifest is missing, empty or malformed; a file it lists is missing or damaged, or a recording is listed twice.</exception>
    /// <exception cref="CorpusFaultsException">There are several such faults.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static Corpus Load(string manifestPath, Alphabet alphabet, CorpusOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(manifestPath);
        ArgumentNullException.ThrowIfNull(alphabet);
        options ??= new CorpusOptions();
        var reader = new CorpusReader(manifestPath, new TextNormalization(alphabet), options, cancellation);
        UtteranceTable all = reader.Read();
        if (!options.AllowRepeated)
            FindRepeated(manifestPath, reader);
        CorpusFault[] faults = [.. reader.Entries.Zip(reader.Faults).Where(pair => pair.Second is not null).Select(pair => new CorpusFault(pair.First.Line, pair.Second!.Message))];
        if (faults.Length == 1 && (!options.SkipFaults || all.Count == 1))
            throw new InputException(faults[0].Message, Array.Find(reader.Faults, fault => fault is not null));
        if (faults.Length > 0 && (!options.SkipFaults || faults.Length == all.Count))
            throw new CorpusFaultsException(manifestPath, all.Count, faults);
        // LINQ's sort is stable, Array.Sort is not: ties must keep the manifest's order on every machine.
        UtteranceTable sorted = all.Select(Enumerable.Range(0, all.Count).Where(i => reader.Faults[i] is null).OrderBy(i => all.Row(i).Recording.Seconds));
        return new Corpus(manifestPath, alphabet, sorted, [], faults, reader.Characters);
    }

    /// <summary>Finds out before anything is trained or scored that some of the files cannot give the features that are asked for.</summary>
    /// <param name="kind">The features.</param>
    /// <exception cref="InputException">Files hold cepstral coefficients, and a spectrogram cannot be made from these.</exception>
    public void RequireFeatures(FeatureKind kind)
    {
        if (!kind.IsMadeOfCoefficients() && Utterances.Where(utterance => utterance.HoldsFeatures).ToArray() is [var first, ..] all)
            throw new InputException(
                $"{first.AudioPath}: holds cepstral coefficients, as {all.Length} of {Utterances.Count} files of {ManifestPath} do: the features '{kind.Name()}' cannot be made from them; use 'mfcc' or 'mfcc-raw'");
    }

    /// <summary>The corpus without some utterances.</summary>
    /// <param name="reason">Why an utterance is left out; null where it stays.</param>
    /// <exception cref="InputException">None stays.</exception>
    public Corpus Without(Func<Utterance, string?> reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        var kept = new List<int>(table.Count);
        List<LeftOut> leftOut = [.. LeftOut];
        for (int i = 0; i < table.Count; i++)
        {
            if (reason(table[i]) is { } why)
                leftOut.Add(new LeftOut(table[i], why));
            else
                kept.Add(i);
        }
        if (kept.Count == 0)
            throw new InputException($"{ManifestPath}: no utterance is left to train on; {leftOut[LeftOut.Count].Utterance.AudioPath}: {leftOut[LeftOut.Count].Reason}");
        return new Corpus(ManifestPath, Alphabet, table.Select(kept), [.. leftOut], [.. Faults], Characters);
    }

    /// <summary>A recording that is listed again would be trained on twice an epoch by mistake, or with two texts.</summary>
    private static void FindRepeated(string manifestPath, CorpusReader reader)
    {
        var first = new Dictionary<string, int>(reader.Entries.Count);
        for (int i = 0; i < reader.Entries.Count; i++)
        {
            ManifestEntry entry = reader.Entries[i];
            if (reader.Faults[i] is null && !first.TryAdd(entry.AudioPath, entry.Line))
                reader.Faults[i] = new InputException($"{manifestPath}: line {entry.Line}: the same recording as line {first[entry.AudioPath]}");
        }
    }
}
