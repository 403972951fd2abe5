using Ds2.Runtime.Recognition.Streaming;
using Ds2.Train.Transcripts;

namespace Ds2.Train.Live;

/// <summary>On a terminal: the current line is rewritten until its passage is over.</summary>
/// <param name="output">The terminal.</param>
/// <param name="width">Columns of its line: of a longer text the end is shown.</param>
internal sealed class LineDisplay(TextWriter output, int width) : ILiveDisplay
{
    private const string EraseLine = "\r\u001b[K", Ellipsis = "…";

    public void Partial(StreamingRecognizer stream)
    {
        // The last column stays free: a terminal that wraps there would leave the line behind.
        output.Write(EraseLine + Fitting(stream.Text, Math.Max(1, width - 1)));
        output.Flush();
    }

    public void Final(Passage passage)
    {
        output.WriteLine(EraseLine + passage.Text);
        output.Flush();
    }

    /// <summary>As much of a text's end as so many columns hold, with an ellipsis before it where that is not all.</summary>
    internal static string Fitting(string text, int columns)
    {
        if (DisplayText.Width(text) <= columns)
            return text;
        string[] characters = [.. DisplayText.Characters(text)];
        int first = characters.Length;
        for (int used = DisplayText.Width(Ellipsis); first > 0 && (used += DisplayText.Width(characters[first - 1])) <= columns;)
            first--;
        return Ellipsis + string.Concat(characters[first..]);
    }
}
