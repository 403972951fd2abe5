using System.Buffers.Binary;
using Ds2.Runtime.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Audio;

public sealed class FlacTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [TestCase(16000, 1)]
    [TestCase(44100, 2)]
    public void Duration_NeedsNoLibrary(int rate, int channels)
    {
        string path = folder.Write("a.flac", FlacBytes.Make(new short[12345 * channels], rate, channels, md5: false));
        Assert.That(AudioFile.Duration(path), Is.EqualTo(12345.0 / rate));
        Assert.That(FlacHeader.TryRead(path), Is.EqualTo(new FlacHeader(rate, channels, 12345)));
    }

    [Test]
    public void Read_IsLossless()
    {
        Sounds.RequireSndFile();
        short[] samples = Sounds.Shorts(Sounds.Noise(10_000, 0.99));
        string path = folder.Write("a.flac", FlacBytes.Make(samples));
        Assert.That(AudioFile.Read(path), Is.EqualTo(samples.Select(s => s / 32768f).ToArray()));
    }

    [Test]
    public void Read_MixesChannelsByTheirMean()
    {
        Sounds.RequireSndFile();
        short[] samples = [.. Enumerable.Range(0, 9000).SelectMany(i => new[] { (short)(2 * i), (short)-i })];
        string path = folder.Write("a.flac", FlacBytes.Make(samples, channels: 2));
        Assert.That(AudioFile.Read(path), Is.EqualTo(Enumerable.Range(0, 9000).Select(i => i / 65536f).ToArray()));
    }

    [Test]
    public void Read_Truncated_SaysSo()
    {
        Sounds.RequireSndFile();
        byte[] bytes = FlacBytes.Make(Sounds.Shorts(Sounds.Noise(20_000, 0.5)));
        string path = folder.Write("a.flac", bytes[..(bytes.Length / 2)]);
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "damaged or truncated"));
    }

    /// <summary>Two files whose frames are whole, so that every frame's checksum is right, but the header is the other's.</summary>
    [Test]
    public void Read_SamplesThatAreNotTheHeaders_SaysSo()
    {
        Sounds.RequireSndFile();
        byte[] bytes = FlacBytes.Make(Sounds.Shorts(Sounds.Noise(9000, 0.5))), other = FlacBytes.Make(Sounds.Shorts(Sounds.Noise(9000, 0.5, 7)));
        string path = folder.Write("a.flac", [.. bytes[..42], .. other[42..]]);
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "MD5"));
        folder.Write("a.flac", [.. bytes[..26], .. new byte[16], .. other[42..]]);
        Assert.That(AudioFile.Read(path), Has.Length.EqualTo(9000), "an encoder that computed no sum");
    }

    /// <summary>The library ends where the first one's header says.</summary>
    [Test]
    public void Read_Joined_IsAllOfThem_EachWithItsSum()
    {
        Sounds.RequireSndFile();
        // Headers on both sides of where the file is read block by block.
        short[] first = Sounds.Shorts(Sounds.Noise(32_740, 0.5)), second = Sounds.Shorts(Sounds.Noise(5000, 0.5, 7));
        byte[] one = FlacBytes.Make(first), other = FlacBytes.Make(second, md5: false);
        string path = folder.Write("a.flac", [.. one, .. other, .. one]);
        float[] expected = [.. new[] { first, second, first }.SelectMany(part => part).Select(s => s / 32768f)];
        Assert.That(AudioFile.Read(path), Is.EqualTo(expected));
        using (SoundReader reader = SoundReader.Open(path))
            Assert.That(SoundReaderTests.All(reader), Is.EqualTo(expected));
        byte[] wrong = [.. one];
        wrong[26] ^= 1;
        folder.Write("a.flac", [.. one, .. wrong]);
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "MD5"));
    }

    /// <summary>Of what an encoder wrote to a pipe, nothing but the last frame tells.</summary>
    [Test]
    public void Read_OfUnknownLength_Truncated_SaysSo()
    {
        Sounds.RequireSndFile();
        byte[] bytes = FlacBytes.Make(Sounds.Shorts(Sounds.Noise(9000, 0.5)), md5: false);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(22), 0);
        string path = folder.Write("a.flac", bytes);
        Assert.That(AudioFile.Read(path), Has.Length.EqualTo(9000));
        folder.Write("a.flac", [.. bytes, .. "TAG"u8, .. new byte[125]]);
        Assert.That(AudioFile.Read(path), Has.Length.EqualTo(9000));
        foreach (int lacking in new[] { 1, 500, 1700 })
        {
            folder.Write("a.flac", bytes[..^lacking]);
            Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "damaged or truncated: the last frame of FLAC"));
        }
    }

    /// <summary>Found by reading what fuzzing was to find: memory for as many samples as the header says was taken before the first was decoded.</summary>
    [Test]
    public void Read_HeaderThatClaimsBillions_TakesNoMemoryForThem()
    {
        Sounds.RequireSndFile();
        byte[] bytes = FlacBytes.Make(Sounds.Shorts(Sounds.Noise(3000, 0.5)));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(22), 2_000_000_000);
        string path = folder.Write("a.flac", bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "damaged or truncated"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(8 << 20));
    }

    /// <summary>At 1 Hz a second of sound would be 16000 samples for each of the file's.</summary>
    [Test]
    public void ReadAndDuration_RateOfNoRecording_SaySo()
    {
        Sounds.RequireSndFile();
        string path = folder.Write("a.flac", FlacBytes.Make(new short[3000], rate: 1, md5: false));
        Assert.That(() => AudioFile.Duration(path), WavReaderTests.IsOneLine(path, "1 Hz"));
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "1 Hz"));
    }

    /// <summary>Sun's .au with 32-bit floats: a format that only libsndfile reads here.</summary>
    [Test]
    public void Read_NaNInAnotherFormat_SaysSo()
    {
        Sounds.RequireSndFile();
        byte[] nan = [0x7F, 0xC0, 0, 0];
        string path = folder.Write("a.au", [.. ".snd"u8, 0, 0, 0, 24, 0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0x3E, 0x80, 0, 0, 0, 1, 0, 0, 0, 0, .. nan]);
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "sample 1 is NaN"));
    }

    [Test]
    public void Read_NoAudio_SaysSo()
    {
        Sounds.RequireSndFile();
        string path = folder.Write("a.flac", "this is no recording at all, but a line of text");
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "not an audio file"));
    }

    /// <summary>Found by fuzzing: libsndfile took such a file for MP3, and its decoder complained on stderr in many lines.</summary>
    [Test]
    public void Read_WavWithADamagedMagic_SaysSo()
    {
        byte[] bytes = WavBytes.Make(WavBytes.Pcm, 16, 1, 16000, new byte[4000]);
        bytes[1] ^= 2;
        string path = folder.Write("a.wav", bytes);
        Sounds.RequireSndFile();
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "it begins like none of a known format; transcribe also reads what ffmpeg does"));
    }

    [Test]
    public void Duration_HeaderCutShort_SaysSo()
    {
        string path = folder.Write("a.flac", FlacBytes.Make(new short[10])[..20]);
        Assert.That(() => AudioFile.Duration(path), WavReaderTests.IsOneLine(path, "truncated"));
    }

    [Test]
    public void Read_GenuineLibriSpeech()
    {
        Sounds.RequireSndFile();
        string path = SharedData.Require("libri-sample/dev-clean/2412/153948/2412-153948-0000.flac");
        Assert.That(AudioFile.Read(path), Has.Length.EqualTo((int)Math.Round(AudioFile.Duration(path) * 16000)));
    }
}
