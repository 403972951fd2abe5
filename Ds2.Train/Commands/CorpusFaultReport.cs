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

    public static Option<bool> SkipBad() => new(Name) { Description = "leave out utterances whose files are missing, damaged or listed twice, instead of refusing the manifest" };

    /// <summary>Says what is left out.</summary>
    public static void Note(Corpus corpus)
    {
        if (corpus.Faults.Count > 0)
            Write($"{corpus.ManifestPath}: {corpus.Faults.Count} utterances are left out", corpus.Faults);
    }

    /// <summary>Says why a manifest is refused.</summary>
    public static void Refuse(CorpusFaultsException faults) => Write($"{faults.Message}; {Name} leaves them out", faults.Faults);

    private static void Write(string summary, IReadOnlyList<CorpusFault> faults)
    {
        foreach (CorpusFault fault in faults.Take(Shown))
            Console.Error.WriteLine($"ds2: {fault.Message}");
        Console.Error.WriteLine($"ds2: {summary}{(faults.Count > Shown ? $"; {List(faults)}" : "")}");
    }

    /// <summary>Lists all that were found, line and fault with a tab between.</summary>
    private static string List(IReadOnlyList<CorpusFault> faults)
    {
        try
        {
            AtomicFile.Write(ListFile, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(faults.Select(fault => $"{fault.Line}\t{fault.Message}\n")))));
            return $"{ListFile} lists all";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"the first {Shown} are shown, as {ListFile} cannot be written: {exception.Message}";
        }
    }
}
