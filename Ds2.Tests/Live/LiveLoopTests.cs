using System.Text.Json;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Tests.Data;
using Ds2.Tests.Recognition.Streaming;
using Ds2.Tests.Transcripts;
using Ds2.Train.Live;

namespace Ds2.Tests.Live;

/// <summary>Live sound from a pipe, its text on a terminal or as lines of JSON.</summary>
public sealed class LiveLoopTests
{
    private readonly float[] sound = LiveModel.Speech(40000);
    private LiveModel live = null!;
    private StreamingModel streaming = null!;

    [SetUp]
    public void MakeModel()
    {
        live = new LiveModel();
        streaming = new StreamingModel(live.Model, live.Description, new StreamingOptions { Pause = 1000 });
    }

    [TearDown]
    public void FreeModel()
    {
        streaming.Dispose();
        live.Dispose();
    }

    [Test]
    public void Run_WavOrRawPcm_EndsWithTheRecordingsText()
    {
        byte[] wav = Wav(), raw = wav[44..];
        string text = Words(live.Whole(WavSamples(), 16000).Text);
        byte[] unknown = [.. wav[..40], 0xFF, 0xFF, 0xFF, 0xFF, .. raw], followed = [.. wav, .. "LIST"u8, 4, 0, 0, 0, 1, 2, 3, 4];
        foreach ((byte[] bytes, int? rate, string what) in ((byte[], int?, string)[])[(wav, null, "WAV"), (unknown, null, "WAV of unknown length"), (followed, null, "WAV with a chunk behind"), (raw, 16000, "raw PCM")])
        {
            JsonElement[] lines = Lines(new MemoryStream(bytes), new LiveOptions { Rate = rate });
            Assert.That(lines[^1].GetProperty("event").GetString(), Is.EqualTo("final"), what);
            Assert.That(lines[^1].GetProperty("text").GetString(), Is.EqualTo(text), what);
            JsonElement[] words = [.. lines[^1].GetProperty("words").EnumerateArray()];
            Assert.That(string.Join(' ', words.Select(word => word.GetProperty("word").GetString())), Is.EqualTo(text), what);
            Assert.That(words.Select(word => word.GetProperty("start").GetDouble()), Is.Ordered.And.All.InRange(0, 2.5));
        }
    }

    /// <summary>What came is written down before the fault is told.</summary>
    [Test]
    public void Run_InputCutOrBroken_WritesWhatCame_AndNamesIt()
    {
        byte[] cut = Wav()[..60_000];
        foreach ((Stream input, string fault) in ((Stream, string)[])[(new MemoryStream(cut), "truncated: the data chunk says 80000 bytes"), (new Failing(cut), "cannot be read: Input/output error")])
        {
            var output = new StringWriter();
            var loop = new LiveLoop(streaming, new LiveOptions(), output, TextWriter.Null);
            Assert.That(Assert.Throws<InputException>(() => loop.Run(input))!.Message, Does.StartWith("-: " + fault));
            Assert.That(output.ToString().Trim().Split('\n')[^1], Does.Contain("final"));
        }
    }

    /// <summary>docs/live.schema.json describes what is written, greedily and by beam search, all of it and nothing else.</summary>
    [Test]
    public void Run_WritesWhatTheSchemaSays()
    {
        var schema = new JsonSchema("live.schema.json");
        using var beam = new StreamingModel(live.Model, live.Description, new StreamingOptions { Pause = 1000 }, () => new BeamPassage(live.Description.Alphabet, new BeamOptions { Width = 10 }));
        using var folder = new TempFolder();
        var files = new List<string>();
        foreach (StreamingModel model in new[] { streaming, beam })
        {
            JsonElement[] lines = Lines(new Trickle(Wav()), new LiveOptions(), model);
            Assert.That(lines.Select(line => line.GetProperty("event").GetString()), Is.SupersetOf(new[] { "partial", "final" }));
            foreach (JsonElement line in lines)
            {
                Assert.That(schema.Faults(line), Is.Empty, line.GetRawText());
                files.Add(folder.Write($"{files.Count}.json", line.GetRawText()));
            }
        }

        foreach ((string from, string to) in new[] { ("\"stable\":3", "\"stable\":3.5"), ("\"partial\"", "\"final\""), ("\"text\"", "\"words\"") })
            Assert.That(schema.Faults(JsonDocument.Parse("{\"event\":\"partial\",\"start\":0.1,\"end\":0.5,\"text\":\"HEL\",\"stable\":3}".Replace(from, to)).RootElement), Is.Not.Empty, to);
        schema.RequireValidatorsConsent(files);
    }

    [Test]
    public void Run_OnATerminal_RewritesTheLine()
    {
        var output = new StringWriter();
        new LiveLoop(streaming, new LiveOptions { RewritesLine = true, LineWidth = 10 }, output, TextWriter.Null).Run(new Trickle(Wav()));
        string[] writes = output.ToString().Split("\r\u001b[K", StringSplitOptions.RemoveEmptyEntries);
        Assert.That(writes, Has.Length.GreaterThan(2));
        Assert.That(writes[..^1], Has.All.Length.LessThan(10));
        Assert.That(writes[^1].TrimEnd(), Is.EqualTo(Words(live.Whole(WavSamples(), 16000).Text)));
    }

    /// <summary>Chinese takes two columns a character, and a character may be several of .NET's: a line that wraps is not erased.</summary>
    [TestCase("HELLO", 5, "HELLO")]
    [TestCase("HELLO YOU", 5, "… YOU")]
    [TestCase("今天天氣", 8, "今天天氣")]
    [TestCase("今天天氣", 6, "…天氣")]
    [TestCase("AB\U0001F600", 3, "…\U0001F600")]
    [TestCase("ABCe\u0301", 2, "…e\u0301")]
    public void Fitting_IsTheEndThatTheColumnsHold(string text, int columns, string expected) => Assert.That(LineDisplay.Fitting(text, columns), Is.EqualTo(expected));

    [Test]
    public void Run_Interrupted_FinishesWhatWasHeard()
    {
        using var interruption = new CancellationTokenSource();
        using var silence = new ManualResetEventSlim();
        var output = new StringWriter();
        interruption.CancelAfter(TimeSpan.FromSeconds(1));
        new LiveLoop(streaming, new LiveOptions(), output, TextWriter.Null).Run(new Stalling(Wav(), silence), interruption.Token);
        silence.Set();
        Assert.That(output.ToString(), Does.Contain("\"event\":\"final\""));
    }

    [Test]
    public void Run_NoSoundThatCanBeRead_SaysSoInOneLine()
    {
        Assert.That(() => Run(new byte[100], null), Throws.TypeOf<InputException>().With.Message.Contains("--rate"));
        Assert.That(() => Run(Wav()[..20], null), Throws.TypeOf<InputException>().With.Message.Contains("ends within its header"));
        byte[] adpcm = Wav();
        adpcm[20] = 2;
        Assert.That(() => Run(adpcm, null), Throws.TypeOf<InputException>().With.Message.StartsWith("-: "));
        Assert.That(() => Run([], 16000), Throws.Nothing);
        Assert.That(() => Run([1, 2, 3, 4, 5], 12), Throws.TypeOf<InputException>());

        void Run(byte[] bytes, int? rate) => new LiveLoop(streaming, new LiveOptions { Rate = rate }, TextWriter.Null, TextWriter.Null).Run(new MemoryStream(bytes));
    }

    private static string Words(string text) => string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    private JsonElement[] Lines(Stream input, LiveOptions options, StreamingModel? model = null)
    {
        var output = new StringWriter();
        new LiveLoop(model ?? streaming, options, output, TextWriter.Null).Run(input);
        return [.. output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    private byte[] Wav()
    {
        using var folder = new TempFolder();
        WavWriter.Write(folder["sound.wav"], sound);
        return File.ReadAllBytes(folder["sound.wav"]);
    }

    private float[] WavSamples()
    {
        using var folder = new TempFolder();
        WavWriter.Write(folder["sound.wav"], sound);
        return AudioFile.Read(folder["sound.wav"]);
    }

    /// <summary>Gives 3001 bytes at a time, a moment apart.</summary>
    private sealed class Trickle(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count)
        {
            Thread.Sleep(5);
            return base.Read(buffer, offset, Math.Min(count, 3001));
        }
    }

    /// <summary>After its bytes it neither ends nor goes on, as a microphone that nobody speaks into.</summary>
    private sealed class Stalling(byte[] bytes, ManualResetEventSlim silence) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count)
        {
            int some = base.Read(buffer, offset, count);
            if (some == 0)
                silence.Wait();
            return some;
        }
    }

    private sealed class Failing(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, count) is > 0 and int got ? got : throw new IOException("Input/output error");
    }
}
