using System.Net;
using Ds2.Runtime.Evaluation;

namespace Ds2.Train.Reporting.Report;

/// <summary>What was said and what was heard, one under the other, errors marked.</summary>
internal static class HeardText
{
    public static string Html(Transcript transcript)
    {
        IReadOnlyList<AlignedWord> words = WordDiff.Align(transcript.Reference, transcript.Hypothesis);
        return Line("said", "del", words, word => word.Reference) + Line("heard", "ins", words, word => word.Hypothesis);
    }

    private static string Line(string name, string mark, IEnumerable<AlignedWord> words, Func<AlignedWord, string?> side)
    {
        IEnumerable<string> marked = words.Where(word => side(word) is not null)
            .Select(word => word.IsError ? $"<{mark}>{WebUtility.HtmlEncode(side(word)!)}</{mark}>" : WebUtility.HtmlEncode(side(word)!));
        return $"<p><b>{name}</b><span>{string.Join(' ', marked)}</span></p>\n";
    }
}
