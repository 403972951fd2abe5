using Ds2.Runtime;

namespace Ds2.Train.Transcripts;

/// <summary>A format that recordings are written down in: docs/formats.md describes each.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="Writer">Makes a recording's writer, given what transcribed, or null where that is not to be told, and the recording's name, or null for its file's.</param>
internal sealed record TranscriptFormat(string Name, Func<TranscribedBy?, string?, ITranscriptWriter> Writer)
{
    /// <summary>All of them, plain text first.</summary>
    public static IReadOnlyList<TranscriptFormat> All { get; } =
    [
        new("txt", (_, _) => new TxtWriter()),
        new("json", (by, _) => new JsonWriter(by)),
        new("srt", (_, _) => new SrtWriter()),
        new("vtt", (_, _) => new VttWriter()),
        new("ctm", (_, recording) => new CtmWriter(recording)),
        new("tsv", (_, _) => new TsvWriter()),
    ];

    /// <summary>Their names for people: <c>txt, json, …</c>.</summary>
    public static string Names => string.Join(", ", All.Select(format => format.Name));

    /// <summary>The ending of its files, with the dot.</summary>
    public string FileEnding => "." + Name;

    /// <summary>The format of a name, in either case.</summary>
    /// <exception cref="InputException">There is none of that name.</exception>
    public static TranscriptFormat Parse(string name) =>
        All.FirstOrDefault(format => format.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new InputException($"no transcript format '{name}'; there are {Names}");
}
