using System.Text.Encodings.Web;
using System.Text.Json;
using Ds2.Runtime.Recognition.Streaming;

namespace Ds2.Train.Live;

/// <summary>For programs: a JSON object a line.</summary>
/// <remarks>{"event":"partial","start":…,"end":…,"text":…,"stable":…} and {"event":"final","start":…,"end":…,"text":…,"words":[{"word":…,"start":…,"end":…}]}; docs/live.schema.json says what each is.</remarks>
/// <param name="output">Where the lines go, each at once.</param>
internal sealed class JsonDisplay(TextWriter output) : ILiveDisplay
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public void Partial(StreamingRecognizer stream) =>
        Write(new { Event = "partial", Start = Round(stream.Start), End = Round(stream.Heard), stream.Text, stream.Stable });

    public void Final(Passage passage) => Write(new
    {
        Event = "final",
        Start = Round(passage.Start),
        End = Round(passage.End),
        passage.Text,
        Words = passage.Words.Select(word => new { Word = word.Text, Start = Round(word.Start), End = Round(word.End) }),
    });

    private static double Round(double seconds) => Math.Round(seconds, 3);

    private void Write<T>(T line)
    {
        output.WriteLine(JsonSerializer.Serialize(line, Options));
        output.Flush();
    }
}
