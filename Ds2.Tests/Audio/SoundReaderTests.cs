using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Tests.Data;
using Ds2.Tests.Transcripts;

namespace Ds2.Tests.Audio;

/// <summary>Sound in blocks is sound as a whole.</summary>
public sealed class SoundReaderTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void Read_IsWhatTheWholeFileGives([Values(16000, 44100, 8000)] int rate, [Values(100, 300_001)] int samples)
    {
        WavWriter.Write(folder["a.wav"], Sounds.Noise(samples, 0.5), rate);
        using SoundReader reader = SoundReader.Open(folder["a.wav"]);
        Assert.That(reader.Seconds, Is.EqualTo((double)samples / rate).Within(1e-12));
        Assert.That(All(reader), Is.EqualTo(AudioFile.Read(folder["a.wav"])));
    }

    [Test]
    public void Pipe_IsWhatTheFileGives()
    {
        WavWriter.Write(folder["a.wav"], Sounds.Noise(50_001, 0.5), 22050);
        float[] expected = AudioFile.Read(folder["a.wav"]);
        byte[] bytes = File.ReadAllBytes(folder["a.wav"]);
        using (SoundReader wav = SoundReader.Open(new MemoryStream(bytes), "-", null))
            Assert.That(All(wav), Is.EqualTo(expected));
        using (SoundReader raw = SoundReader.Open(new MemoryStream(bytes[44..]), "-", 22050))
            Assert.That(All(raw), Is.EqualTo(expected));
        Assert.That(() => SoundReader.Open(new MemoryStream(bytes[44..]), "-", null), Throws.TypeOf<InputException>().With.Message.Contains("--rate"));
        Assert.That(() => SoundReader.Open(new MemoryStream(), "-", 16000), Throws.TypeOf<InputException>());
    }

    [Test]
    public void Ffmpeg_ReadsWhatLibsndfileDoesNot()
    {
        WavWriter.Write(folder["a.wav"], Sounds.Sine(32000, 440, 16000));
        Readers.Run("ffmpeg", "ffmpeg (Debian package ffmpeg)", "-v", "error", "-nostdin", "-i", folder["a.wav"], "-c:a", "aac", folder["a.mp4"]);
        using SoundReader reader = SoundReader.Open(folder["a.mp4"]);
        float[] samples = All(reader);
        Assert.That(samples, Has.Length.InRange(31000, 36000));
        Assert.That(samples.Max(), Is.EqualTo(0.5).Within(0.1));

        File.WriteAllBytes(folder["b.mp4"], new byte[5000]);
        using SoundReader broken = SoundReader.Open(folder["b.mp4"]);
        InputException? refused = Assert.Throws<InputException>(() => All(broken));
        Assert.That(refused!.Message, Does.StartWith(folder["b.mp4"] + ": ").And.Not.Contain("\n"));
    }

    private static float[] All(SoundReader reader)
    {
        var all = new List<float>();
        for (ReadOnlySpan<float> block = reader.Read(); block.Length > 0; block = reader.Read())
            all.AddRange(block);
        return [.. all];
    }
}
