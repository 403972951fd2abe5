using System.CommandLine;
using System.Text;
using Ds2.Runtime.Data;
using Ds2.Runtime.Files;

namespace Ds2.Train.Commands;

/// <summary>Tells the user of a manifest's faults, and leaves them out where that is asked for: <c>--skip-bad</c>.</summary>
internal static class CorpusFaultReport
{
    private const string Name = "--skip-bad";
    private const string ListFile = "ds2-faults.tsv";
    private const int Shown = 20;

    /// <summary>What the command has found so far, in all of its manifests.</summary>
    private static readonly List<(string Manifest, CorpusFault Fault)> Found = [];

    /// <summary>Forgets what an earlier command of this process has found.</summary>
    public static void Begin() => Found.Clear();

    public static Option<bool> SkipBad() => new(Name) { Description = "leave out utterances whose files are missing, damaged or listed twice, instead of refusing the manifest" };

    /// <summary>Says what is left out.</summary>
    public static void Note(Corpus corpus)
    {
        if (corpus.Faults.Count > 0)
            Write($"{corpus.ManifestPath}: {corpus.Faults.Count} utterances are left out", corpus.ManifestPath, corpus.Faults);
    }

    /// <summary>Says why a manifest is refused.</summary>
    public static void Refuse(CorpusFaultsException faults) => Write($"{faults.Message}; {Name} leaves them out", faults.ManifestPath, faults.Faults);

    private static void Write(string summary, string manifest, IReadOnlyList<CorpusFault> faults)
    {
        Found.AddRange(faults.Select(fault => (manifest, fault)));
        foreach (CorpusFault fault in faults.Take(Shown))
            Console.Error.WriteLine($"ds2: {fault.Message}");
        Console.Error.WriteLine($"ds2: {summary}{(Found.Count > Shown ? $"; {List()}" : "")}");
    }

    /// <summary>Lists all that were found, of every manifest of the command: manifest, line and fault with tabs between.</summary>
    private static string List()
    {
        try
        {
            AtomicFile.Write(ListFile, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(Found.Select(found => $"{SeparatedValues.Field(found.Manifest, '\t')}\t{found.Fault.Line}\t{found.Fault.Message}\n")))));
            return $"{ListFile} lists all";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"the first {Shown} are shown, as {ListFile} cannot be written: {exception.Message}";
        }
    }
}
