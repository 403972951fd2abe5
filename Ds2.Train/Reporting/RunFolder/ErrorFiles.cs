using System.Globalization;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Files;

namespace Ds2.Train.Reporting.RunFolder;

/// <summary>Where an evaluation's errors are, as tab-separated files in a folder; rates in percent.</summary>
internal static class ErrorFiles
{
    /// <summary>A run's.</summary>
    public const string FolderName = "errors";

    public const string Speakers = "speakers.tsv";
    public const string Worst = "worst.tsv";
    public const string Words = "words.tsv";
    public const string Letters = "letters.tsv";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> Names { get; } = [Speakers, Worst, Words, Letters];

    /// <summary>Utterances in the list of the worst: what somebody may read, or listen to. All of them are in <see cref="TranscriptFile"/>.</summary>
    private const int MostWorst = 100;

    public static void Write(string folder, ErrorDetails details)
    {
        Directory.CreateDirectory(folder);
        Write(
            Path.Combine(folder, Speakers), $"{(details.AreFolders ? "folder" : "speaker")}\tutterances\twords\twer\tcer",
            details.BySpeaker.Select(speaker => $"{Field(speaker.Name)}\t{speaker.Rates.Utterances}\t{speaker.Rates.ReferenceWords}\t{Rate(speaker.Rates.Wer)}\t{Rate(speaker.Rates.Cer)}"));
        Write(
            Path.Combine(folder, Worst), "id\terrors\twords\twer\tcer\treference\thypothesis\taudio",
            details.Worst.Take(MostWorst).Select(utterance =>
                $"{Field(utterance.Transcript.Id)}\t{utterance.Rates.WordErrors}\t{utterance.Rates.ReferenceWords}\t{Rate(utterance.Rates.Wer)}\t{Rate(utterance.Rates.Cer)}\t"
                + $"{utterance.Transcript.Reference}\t{utterance.Transcript.Hypothesis}\t{Field(utterance.Transcript.AudioPath)}"));
        WriteConfusions(Path.Combine(folder, Words), details.Words);
        WriteConfusions(Path.Combine(folder, Letters), details.Letters);
    }

    private static void WriteConfusions(string path, IEnumerable<Confusion> confusions) => Write(
        path, "count\tkind\tsaid\theard", confusions.Select(confusion => $"{confusion.Count}\t{confusion.Kind}\t{Field(confusion.Said ?? "")}\t{Field(confusion.Heard ?? "")}"));

    private static void Write(string path, string header, IEnumerable<string> rows) => AtomicFile.Write(path, stream =>
    {
        using var lines = new StreamWriter(stream, leaveOpen: true);
        lines.Write(header + "\n");
        foreach (string row in rows)
            lines.Write(row + "\n");
    });

    private static string Field(string value) => SeparatedValues.Field(value, '\t');

    private static string Rate(double percent) => percent.ToString("F2", CultureInfo.InvariantCulture);
}
