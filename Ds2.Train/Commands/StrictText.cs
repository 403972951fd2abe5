using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Data;

namespace Ds2.Train.Commands;

/// <summary><c>--strict-text</c>: what becomes of a corpus whose texts have characters that the alphabet cannot write.</summary>
internal static class StrictText
{
    private const string Name = "--strict-text";

    public static Option<bool> Option() => new(Name) { Description = "refuse texts with characters that the alphabet cannot write, instead of counting them as errors" };

    /// <summary>Says on stderr which characters cannot be heard, if there are any.</summary>
    /// <exception cref="InputException">There are, and <paramref name="strict"/> is set.</exception>
    public static void Note(Corpus corpus, bool strict)
    {
        if (strict)
            corpus.Characters.RequireWritable();
        else if (corpus.Characters.Summary() is { } summary)
            Console.Error.WriteLine($"ds2: {summary}; {Name} refuses");
    }
}
