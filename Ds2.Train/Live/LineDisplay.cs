using Ds2.Runtime.Recognition.Streaming;

namespace Ds2.Train.Live;

/// <summary>On a terminal: the current line is rewritten until its passage is over.</summary>
/// <param name="output">The terminal.</param>
/// <param name="width">Characters of its line: of a longer text the end is shown.</param>
internal sealed class LineDisplay(TextWriter output, int width) : ILiveDisplay
{
    private const string EraseLine = "\r\u001b[K", Ellipsis = "…";

    public void Partial(StreamingRecognizer stream)
    {
        string text = stream.Text;
        // The last column stays free: a terminal that wraps there would leave the line behind.
        int room = Math.Max(1, width - 1);
        output.Write(EraseLine + (text.Length <= room ? text : Ellipsis + text[^(room - 1)..]));
        output.Flush();
    }

    public void Final(Passage passage)
    {
        output.WriteLine(EraseLine + passage.Text);
        output.Flush();
    }
}
