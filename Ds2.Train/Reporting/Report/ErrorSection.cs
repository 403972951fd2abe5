using System.Globalization;
using System.Net;
using System.Text;
using Ds2.Runtime.Evaluation;
using Ds2.Train.Reporting.RunFolder;

namespace Ds2.Train.Reporting.Report;

/// <summary>The report's part on where the last evaluation's errors are; the run's <see cref="ErrorFiles"/> have all of it.</summary>
internal static class ErrorSection
{
    private const int MostSpeakers = 20, MostUtterances = 10, MostConfusions = 15;

    public static string Html(EvaluationResult evaluation)
    {
        ErrorDetails details = evaluation.Details;
        var html = new StringBuilder("<section id=\"errors\"><h2>Errors of the last evaluation</h2>\n");
        html.Append(CultureInfo.InvariantCulture, $"<p class=\"note\">{ErrorFiles.FolderName}/ in the run's folder has all of it.</p>\n<div class=\"tables\">\n");
        string kind = details.AreFolders ? "folder" : "speaker";
        Table(
            html, Title($"By {kind}", details.BySpeaker.Count, MostSpeakers), [kind, "utterances", "words", "WER %", "CER %"],
            details.BySpeaker.Take(MostSpeakers).Select(speaker => new[]
            {
                speaker.Name, Number(speaker.Rates.Utterances, "F0"), Number(speaker.Rates.ReferenceWords, "F0"), Number(speaker.Rates.Wer, "F2"), Number(speaker.Rates.Cer, "F2"),
            }));
        Confusions(html, "Words", details.Words);
        Confusions(html, "Letters", details.Letters);
        html.Append("</div>\n<h3>The worst utterances</h3>\n<div class=\"samples\">\n");
        foreach (UtteranceErrors utterance in details.Worst.Take(MostUtterances))
        {
            html.Append(CultureInfo.InvariantCulture, $"<div class=\"worst\"><p class=\"note\">{Text(utterance.Transcript.Id)}, WER {utterance.Rates.Wer:F0} %, CER {utterance.Rates.Cer:F0} %</p>\n");
            html.Append(HeardText.Html(utterance.Transcript, evaluation.Alphabet)).Append("</div>\n");
        }

        return html.Append("</div></section>").ToString();
    }

    private static void Confusions(StringBuilder html, string what, IReadOnlyList<Confusion> confusions)
    {
        foreach (string kind in (ReadOnlySpan<string>)["substitution", "deletion", "insertion"])
        {
            Confusion[] ofKind = [.. confusions.Where(confusion => confusion.Kind == kind)];
            if (ofKind.Length == 0)
                continue;
            string[] heads = kind switch { "substitution" => ["said", "heard", "count"], "deletion" => ["said", "count"], _ => ["heard", "count"] };
            Table(
                html, Title($"{what}: {kind}s, {ofKind.Sum(confusion => (long)confusion.Count)} in all", ofKind.Length, MostConfusions), heads,
                ofKind.Take(MostConfusions).Select(confusion => (string[])[.. new[] { confusion.Said, confusion.Heard }.OfType<string>(), Number(confusion.Count, "F0")]));
        }
    }

    private static string Title(string what, int count, int most) => count > most ? $"{what}; the first {most} of {count}" : what;

    private static void Table(StringBuilder html, string title, IEnumerable<string> heads, IEnumerable<string[]> rows)
    {
        html.Append("<div class=\"scroll\"><h3>").Append(Text(title)).Append("</h3><table>\n<thead><tr>").AppendJoin("", heads.Select(head => $"<th>{head}</th>")).Append("</tr></thead>\n<tbody>\n");
        foreach (string[] row in rows)
            html.Append("<tr>").AppendJoin("", row.Select(cell => $"<td>{Text(cell)}</td>")).Append("</tr>\n");
        html.Append("</tbody></table></div>\n");
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
