using System.Net;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;

namespace Ds2.Train.Reporting.Report;

/// <summary>What was said and what was heard, one under the other, errors marked.</summary>
internal static class HeardText
{
    public static string Html(Transcript transcript, Alphabet alphabet)
    {
        IReadOnlyList<AlignedWord> words = WordDiff.Align(transcript.Reference, transcript.Hypothesis, alphabet);
        string between = alphabet.Space < 0 ? "" : " ";
        return Line("said", "del", between, words, word => word.Reference) + Line("heard", "ins", between, words, word => word.Hypothesis);
    }

    private static string Line(string name, string mark, string between, IEnumerable<AlignedWord> words, Func<AlignedWord, string?> side)
    {
        IEnumerable<string> marked = words.Where(word => side(word) is not null)
            .Select(word => word.IsError ? $"<{mark}>{WebUtility.HtmlEncode(side(word)!)}</{mark}>" : WebUtility.HtmlEncode(side(word)!));
        return $"<p><b>{name}</b><span>{string.Join(between, marked)}</span></p>\n";
    }
}
