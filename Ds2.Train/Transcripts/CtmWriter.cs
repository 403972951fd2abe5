using System.Globalization;
using System.Text.RegularExpressions;
using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>NIST's time-marked conversation format, which <c>sclite</c> scores: <c>FILE CHANNEL START DURATION WORD CONFIDENCE</c> a line, in order, all of channel 1.</summary>
/// <remarks>
/// The file is what tells the recording from others, folders included, so that files of several recordings can be joined. sclite takes white space, <c>;</c> (what follows it in a word is an attribute) and <c>\</c> (an escape) for its own:
/// <c>_</c> stands in their place. The words <c>@</c> (none, to sclite) and <c>&lt;ALT&gt;</c> with its like (alternatives) begin with a <c>_</c>.
/// Either all words have a confidence or none: sclite's normalized cross entropy of a file where only some have it is no number.
/// </remarks>
/// <param name="name">What the recording is called; null for its file's name without folder and ending.</param>
internal sealed partial class CtmWriter(string? name) : ITranscriptWriter
{
    /// <inheritdoc/>
    public void Write(Transcription transcription, TextWriter writer)
    {
        SpokenWord[] words = [.. SpokenWord.OfSegments(transcription).SelectMany(segment => segment)];
        bool confident = words.All(word => word.Confidence is not null);
        string file = FileOf(transcription.Source, name);
        foreach (SpokenWord word in words)
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"{file} 1 {word.Start / 1000.0:F3} {(word.End - word.Start) / 1000.0:F3} {Text(word.Text)}"));
            writer.Write(confident ? string.Create(CultureInfo.InvariantCulture, $" {word.Confidence:F3}\n") : "\n");
        }
    }

    /// <summary>What the first column says of a recording: what a reference (stm) has to call it too.</summary>
    /// <param name="source">The file, or <c>-</c> for standard input.</param>
    /// <param name="name">What it is called; null for the file's name without folder and ending.</param>
    public static string FileOf(string source, string? name)
    {
        name ??= source == "-" ? "stdin" : Path.GetFileNameWithoutExtension(source);
        return name.Length > 0 ? SeparatorPattern().Replace(name.Replace(Path.DirectorySeparatorChar, '/'), "_") : "_";
    }

    /// <summary>A word as the file has it.</summary>
    public static string Text(string word) => MarkPattern().Replace(SeparatorPattern().Replace(word, "_"), "_$0");

    [GeneratedRegex(@"[\s;\\]")]
    private static partial Regex SeparatorPattern();

    [GeneratedRegex("^(@|<ALT(_BEGIN|_END)?>)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex MarkPattern();
}
