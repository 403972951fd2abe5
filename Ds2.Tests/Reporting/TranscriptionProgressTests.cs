using Ds2.Tests.Data;
using Ds2.Train.Commands.Transcription;

namespace Ds2.Tests.Reporting;

/// <summary>How far a transcription is, on a terminal and in a log.</summary>
public sealed class TranscriptionProgressTests
{
    private const string Erase = "\r\u001b[K";

    private readonly StringWriter output = new() { NewLine = "\n" };
    private readonly Clock clock = new();
    private Dictionary<string, string> paths = [];

    [TearDown]
    public void Empty() => output.GetStringBuilder().Clear();

    /// <summary>What is left goes by the files' sizes: a quarter of the bytes took 10 s.</summary>
    [Test]
    public void Log_HasALineNowAndThen()
    {
        TranscriptionProgress progress = Make(inPlace: false);
        Advance(4);
        progress.Hear(100);
        Assert.That(Said(), Is.Empty);
        Advance(6);
        progress.End(paths["a"]);
        Assert.That(Said(), Is.EqualTo("1 of 2 recordings, 1:40 of sound, 10 x real time, 0:30 left\n"));
        Advance(9);
        progress.Hear(3600);
        progress.Note("a line");
        Assert.That(Said(), Is.EqualTo("ds2: a line\n"));
        Advance(1);
        progress.End(paths["b"]);
        progress.Finish();
        Assert.That(Said(), Is.EqualTo(string.Concat(Enumerable.Repeat("2 of 2 recordings, 1:01:40 of sound, 185 x real time\n", 2))));
    }

    /// <summary>Each line takes the place of the last, but for notes, which stay.</summary>
    [Test]
    public void Terminal_HasOneLine()
    {
        TranscriptionProgress progress = Make(inPlace: true);
        progress.Clear();
        Advance(0.3);
        progress.Hear(3);
        progress.Hear(3);
        Assert.That(Said(), Is.EqualTo(Erase + "0 of 2 recordings, 0:03 of sound, 10 x real time"));
        progress.Note("a line");
        progress.Clear();
        Assert.That(Said(), Is.EqualTo(Erase + "ds2: a line\n"));
        Advance(0.3);
        progress.End(paths["a"]);
        progress.Finish();
        Assert.That(Said(), Is.EqualTo(Erase + "1 of 2 recordings, 0:06 of sound, 10 x real time, 0:02 left" + Erase + "1 of 2 recordings, 0:06 of sound, 10 x real time, 0:02 left\n"));
    }

    private TranscriptionProgress Make(bool inPlace)
    {
        using var folder = new TempFolder();
        ListedRecording[] recordings = [.. new[] { ("a", 100), ("b", 300) }.Select(file => new ListedRecording(folder.Write(file.Item1, new byte[file.Item2]), file.Item1, file.Item1))];
        paths = recordings.ToDictionary(recording => recording.Name, recording => recording.Path);
        return new TranscriptionProgress(recordings, output, inPlace, clock);
    }

    private string Said()
    {
        string said = output.ToString();
        Empty();
        return said;
    }

    private void Advance(double seconds) => clock.Now += (long)(seconds * TimeSpan.TicksPerSecond);

    private sealed class Clock : TimeProvider
    {
        public long Now { get; set; } = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now;
    }
}
