using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;

namespace Ds2.Runtime.Recognition;

/// <summary>What was said between two pauses of a recording.</summary>
/// <param name="Start">Where its first word begins, in seconds from the start of the recording; where there is no word, where the piece begins.</param>
/// <param name="End">Where its last word ends.</param>
/// <param name="Text">The text.</param>
/// <param name="Words">Its words with their times; none where nobody asked for them.</param>
/// <param name="Alternatives">Other texts that were nearly as likely, the best first, the text itself included; none where nobody asked for them.</param>
public sealed record Segment(double Start, double End, string Text, IReadOnlyList<TimedWord> Words, IReadOnlyList<Hypothesis> Alternatives);

/// <summary>A recording, written down.</summary>
/// <param name="Source">The file, as the user named it; <c>-</c> for standard input.</param>
/// <param name="Seconds">Its length.</param>
/// <param name="Separator">What stands between two words: a space, or nothing where the alphabet has none.</param>
/// <param name="Segments">In order; those without a word are left out.</param>
public sealed record Transcription(string Source, double Seconds, string Separator, IReadOnlyList<Segment> Segments)
{
    /// <summary>All that was said.</summary>
    public string Text => string.Join(Separator, Segments.Select(segment => segment.Text));

    /// <summary>All words.</summary>
    public IEnumerable<TimedWord> Words => Segments.SelectMany(segment => segment.Words);
}
