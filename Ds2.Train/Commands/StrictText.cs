using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Data;

namespace Ds2.Train.Commands;

/// <summary><c>--strict-text</c>: what becomes of a corpus whose texts have characters that the alphabet cannot write.</summary>
internal static class StrictText
{
    private const string Name = "--strict-text";

    public static Option<bool> Option() => new(Name) { Description = "refuse texts with characters that the alphabet cannot write, instead of counting them as errors" };

    /// <summary>Says which characters cannot be heard, if there are any.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="strict">Whether it is refused then.</param>
    /// <param name="note">Told so, in a line; null for stderr.</param>
    /// <exception cref="InputException">There are, and <paramref name="strict"/> is set.</exception>
    public static void Note(Corpus corpus, bool strict, Action<string>? note = null)
    {
        if (strict)
            corpus.Characters.RequireWritable();
        else if (corpus.Characters.Summary() is { } summary)
            (note ?? (line => Console.Error.WriteLine($"ds2: {line}")))($"{summary}; {Name} refuses");
    }
}
