using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding.Alignment;

/// <summary>Gives the words of a text their times.</summary>
/// <remarks>
/// A word lasts from the frame that emits its first label to the one that emits its last (<see cref="CtcAlignment"/>), whole frames. Blanks around it are nobody's: CTC's labels
/// are peaks somewhere within their sound, and to share the gaps out would move times away from what the model says.
/// Where the alphabet has no space, as for scripts that write none, each label is a word of its own.
/// </remarks>
/// <param name="alphabet">The labels.</param>
/// <param name="times">When the model's output frames are.</param>
public sealed class WordAligner(Alphabet alphabet, FrameTimes times)
{
    /// <summary>Whether texts have spaces between their words; if not, a text is its words one after the other.</summary>
    public bool HasSpaces { get; } = (alphabet ?? throw new ArgumentNullException(nameof(alphabet))).Space >= 0;

    /// <summary>What stands between two words of a text.</summary>
    public string Separator => HasSpaces ? " " : "";

    /// <summary>The words of a text with their times.</summary>
    /// <param name="logits">What the model says of the utterance.</param>
    /// <param name="text">Any text that the alphabet can write, whatever decoder gave it.</param>
    /// <returns>The words in order. Where the text has more labels than the frames allow, so that it was never read off them, its words share the frames evenly.</returns>
    public IReadOnlyList<TimedWord> Align(Logits logits, string text) =>
        [.. Frames(alphabet, logits, text).Select(word => new TimedWord(word.Text, times.Start(word.First), times.End(word.Last)))];

    /// <summary>The words of a text with their frames.</summary>
    /// <param name="alphabet">The labels.</param>
    /// <param name="logits">As for <see cref="Align"/>.</param>
    /// <param name="text">Likewise.</param>
    public static IReadOnlyList<WordFrames> Frames(Alphabet alphabet, Logits logits, string text)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        ArgumentNullException.ThrowIfNull(logits);
        int[] labels = alphabet.Encode(text);
        (int First, int Last)[] words = [.. alphabet.Space >= 0 ? Words(labels, alphabet.Space) : labels.Select((_, index) => (index, index))];
        LabelSpan[] spans = CtcAlignment.Align(logits, labels, alphabet.Blank) ?? Even(labels.Length, logits.Frames);
        return [.. words.Select(word => new WordFrames(alphabet.Decode(labels.AsSpan(word.First..(word.Last + 1))), spans[word.First].First, spans[word.Last].Last))];
    }

    /// <summary>The first and the last label of each word.</summary>
    private static IEnumerable<(int First, int Last)> Words(int[] labels, int space)
    {
        int first = -1;
        for (int i = 0; i <= labels.Length; i++)
        {
            bool ends = i == labels.Length || labels[i] == space;
            if (ends && first >= 0)
                yield return (first, i - 1);
            first = ends ? -1 : first < 0 ? i : first;
        }
    }

    private static LabelSpan[] Even(int labels, int frames) =>
        [.. Enumerable.Range(0, labels).Select(i => (int)((long)i * frames / labels)).Select(frame => new LabelSpan(frame, frame))];
}
