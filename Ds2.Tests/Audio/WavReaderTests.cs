using System.Text;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Audio;

public sealed class WavReaderTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    // Each line: an encoding, and the bytes of -1, -1/2, 0 and 1/2 in it.
    private static readonly object[] Encodings =
    [
        new object[] { WavBytes.Pcm, 8, new byte[] { 0, 64, 128, 192 } },
        new object[] { WavBytes.Pcm, 16, new byte[] { 0, 0x80, 0, 0xC0, 0, 0, 0, 0x40 } },
        new object[] { WavBytes.Pcm, 24, new byte[] { 0, 0, 0x80, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0x40 } },
        new object[] { WavBytes.Pcm, 32, new byte[] { 0, 0, 0, 0x80, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0x40 } },
        new object[] { WavBytes.Float, 32, Bytes(-1f, -0.5f, 0f, 0.5f) },
        new object[] { WavBytes.Float, 64, Bytes(-1.0, -0.5, 0.0, 0.5) },
    ];

    private static byte[] Bytes(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    private static byte[] Bytes(params double[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    [TestCaseSource(nameof(Encodings))]
    public void Read_EveryEncoding(ushort tag, int bits, byte[] data)
    {
        foreach (bool extensible in new[] { false, true })
        {
            string path = folder.Write("a.wav", WavBytes.Make(tag, (ushort)bits, 1, 16000, data, extensible, before: 5));
            AudioClip clip = WavReader.Read(path);
            Assert.That(clip.SampleRate, Is.EqualTo(16000));
            Assert.That(clip.Samples, Is.EqualTo(new[] { -1f, -0.5f, 0f, 0.5f }));
            Assert.That(AudioFile.Duration(path), Is.EqualTo(4 / 16000.0));
        }
    }

    [TestCaseSource(nameof(Encodings))]
    public void Read_MixesChannelsByTheirMean(ushort tag, int bits, byte[] data)
    {
        string path = folder.Write("a.wav", WavBytes.Make(tag, (ushort)bits, 2, 8000, data));
        Assert.That(WavReader.Read(path).Samples, Is.EqualTo(new[] { -0.75f, 0.25f }));
    }

    [Test]
    public void Read_ThreeChannels()
    {
        string path = folder.Write("a.wav", WavBytes.Make(WavBytes.Pcm, 16, 3, 8000, WavBytes.Shorts(3, 6, 9, -3, -6, -9)));
        Assert.That(WavReader.Read(path).Samples, Is.EqualTo(new[] { 6 / 32768f, -6 / 32768f }));
    }

    // G.711, table 2b: codes and the values of their 14-bit scale, times 4.
    [TestCase(0x00, -32124)]
    [TestCase(0x0F, -16764)]
    [TestCase(0x7E, -8)]
    [TestCase(0x7F, 0)]
    [TestCase(0x80, 32124)]
    [TestCase(0x9F, 8316)]
    [TestCase(0xA0, 7932)]
    [TestCase(0xEF, 132)]
    [TestCase(0xFE, 8)]
    [TestCase(0xFF, 0)]
    public void Read_MuLaw(int code, int value)
    {
        string path = folder.Write("a.wav", WavBytes.Make(WavBytes.MuLaw, 8, 1, 8000, [(byte)code]));
        Assert.That(WavReader.Read(path).Samples, Is.EqualTo(new[] { value / 32768f }));
    }

    [Test]
    public void Read_MuLaw_MatchesLibsndfile()
    {
        Sounds.RequireSndFile();
        string path = folder.Write("a.wav", WavBytes.Make(WavBytes.MuLaw, 8, 1, 8000, [.. Enumerable.Range(0, 256).Select(code => (byte)code)]));
        Assert.That(WavReader.Read(path).Samples, Is.EqualTo(SndFile.Read(path).Samples));
    }

    /// <summary>The resampler's table for 767999 to 16000, which cannot be reduced, would take 200 MB.</summary>
    [Test]
    public void Read_RateInNoSimpleRatio_SaysSo()
    {
        string path = folder.Write("a.wav", WavBytes.Make(WavBytes.Pcm, 16, 1, 767_999, new byte[4000]));
        Assert.That(() => AudioFile.Read(path), IsOneLine(path, "767999 Hz is in no simple ratio"));
    }

    [Test]
    public void Read_ManyBlocks()
    {
        short[] samples = [.. Enumerable.Range(0, 100_001).Select(i => (short)(i * 7))];
        string path = folder.Write("a.wav", WavBytes.Make(WavBytes.Pcm, 16, 1, 16000, WavBytes.Shorts(samples)));
        Assert.That(AudioFile.Read(path), Is.EqualTo(samples.Select(s => s / 32768f).ToArray()));
    }

    [TestCase(uint.MaxValue)]
    [TestCase(0xFFFFFFC4)]
    [TestCase(0x7FFFF000u)]
    [TestCase(0x7FFFEFDCu)]
    [TestCase(0x7FFFFFFFu)]
    [TestCase(0x80000000u)]
    [TestCase(0u)]
    [TestCase(7u, TestName = "one byte too many")]
    [TestCase(50u, TestName = "the header counted in")]
    public void Read_SizeOfAPipe_ReadsToTheEnd(uint says)
    {
        string path = folder.Write("a.wav", WavBytes.Make(WavBytes.Pcm, 16, 1, 16000, WavBytes.Shorts(1, 2, 3), says: says));
        Assert.That(WavReader.Read(path).Samples, Has.Length.EqualTo(3));
    }

    [Test]
    public void Read_OtherRate_Resamples()
    {
        string path = folder["a.wav"];
        WavWriter.Write(path, Sounds.Sine(8000, 440, 8000), 8000);
        Assert.That(AudioFile.Read(path), Has.Length.EqualTo(16000));
        Assert.That(AudioFile.Duration(path), Is.EqualTo(1.0));
    }

    [Test]
    public void Write_ComesBackWithinHalfAStep()
    {
        float[] samples = [.. Sounds.Noise(1000, 0.99), 1.5f, -1.5f];
        string path = folder["a.wav"];
        WavWriter.Write(path, samples);
        float[] back = AudioFile.Read(path);
        Assert.That(back[^2..], Is.EqualTo(new[] { 32767 / 32768f, -1f }), "clipped");
        Assert.That(back[..1000], Is.EqualTo(samples[..1000]).Within(0.5 / 32768 + 1e-9));
    }

    /// <summary>Fewer bits than their bytes hold: the samples are at the upper end, as the format has it.</summary>
    [TestCase(12, 2)]
    [TestCase(20, 3)]
    [TestCase(24, 4)]
    [TestCase(20, 4)]
    public void Read_FewerBitsThanBytes(int bits, int container)
    {
        int[] samples = [0, 1, -1, (1 << bits - 1) - 1, -(1 << bits - 1), 77];
        byte[] data = [.. samples.SelectMany(sample => BitConverter.GetBytes(sample << 8 * container - bits)[..container])];
        string path = folder.Write("a.wav", WavBytes.Make(WavBytes.Pcm, (ushort)bits, 1, 16000, data, container: container));
        Assert.That(AudioFile.Read(path), Is.EqualTo(samples.Select(sample => (float)(sample / (double)(1 << bits - 1)))));
        Assert.That(AudioFile.Probe(path), Is.EqualTo(new RecordingInfo(RecordingFormat.Wav, 16000, samples.Length)));
    }

    /// <summary>Whatever libsndfile reads rightly, Ds2's own reader reads to the same samples.</summary>
    [TestCase(WavBytes.Pcm, 8, 1, TestName = "PCM 8")]
    [TestCase(WavBytes.Pcm, 12, 2, TestName = "PCM 12")]
    [TestCase(WavBytes.Pcm, 16, 2, TestName = "PCM 16")]
    [TestCase(WavBytes.Pcm, 20, 3, TestName = "PCM 20")]
    [TestCase(WavBytes.Pcm, 24, 3, TestName = "PCM 24")]
    [TestCase(WavBytes.Pcm, 32, 4, TestName = "PCM 32")]
    [TestCase(WavBytes.MuLaw, 8, 1, TestName = "mu-law")]
    [TestCase(WavBytes.ALaw, 8, 1, TestName = "A-law")]
    public void Read_IsWhatLibsndfileReads(ushort tag, int bits, int container)
    {
        Sounds.RequireSndFile();
        byte[] data = [.. Enumerable.Range(0, 256 * container).Select(i => (byte)(i * 37 + (i >> 5)))];
        if (container == 1)
            data = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        // Two channels of 32 bits libsndfile rounds to fp32 before they are mixed; Ds2 mixes first.
        foreach (ushort channels in bits == 32 ? new ushort[] { 1 } : [1, 2])
        {
            string path = folder.Write("a.wav", WavBytes.Make(tag, (ushort)bits, channels, 16000, data, container: container));
            Assert.That(WavReader.Read(path).Samples, Is.EqualTo(SndFile.Read(path).Samples), $"{channels} channels");
        }
    }

    /// <summary>Microsoft's ADPCM, a block of 7 bytes of header and two samples in each further byte; and GSM.</summary>
    [Test]
    public void Read_Compressed_IsLibsndfiles([Values] bool gsm)
    {
        Sounds.RequireSndFile();
        string path = folder.Write("a.wav", gsm ? WavBytes.Gsm(blocks: 3) : WavBytes.Adpcm(blocks: 3));
        Assert.That(AudioFile.Probe(path).Format, Is.EqualTo(RecordingFormat.Other));
        Assert.That(AudioFile.Read(path), Is.EqualTo(SndFile.Read(path).Samples).And.Length.EqualTo(AudioFile.Probe(path).Samples));
        Assert.That(AudioFile.Read(path).Distinct().Count(), Is.GreaterThan(100), "sound, not silence");
    }

    /// <summary>Formats with a header of their own and samples as in WAV, four each.</summary>
    private static IEnumerable<TestCaseData> OtherContainers()
    {
        byte[] little = WavBytes.Shorts(8192, -8192, 1, 2), big = [.. little.Chunk(2).SelectMany(sample => sample.Reverse())];
        string sphere = "NIST_1A\n   1024\nsample_count -i 4\nsample_n_bytes -i 2\nchannel_count -i 1\nsample_byte_format -s2 01\nsample_rate -i 16000\nsample_coding -s3 pcm\nend_head\n";
        yield return Case("SPHERE", [.. Encoding.ASCII.GetBytes(sphere.PadRight(1024)), .. little]);
        yield return Case("AU", [.. ".snd"u8, .. BigEndian(24), .. BigEndian(8), .. BigEndian(3), .. BigEndian(16000), .. BigEndian(1), .. big]);
        byte[] fmt = WavBytes.Make(WavBytes.Pcm, 16, 1, 16000, [])[12..36];
        yield return Case("RF64",
        [
            .. "RF64"u8, 255, 255, 255, 255, .. "WAVEds64"u8, .. BitConverter.GetBytes(28), .. BitConverter.GetBytes(80L), .. BitConverter.GetBytes(8L), .. BitConverter.GetBytes(4L),
            .. BitConverter.GetBytes(0), .. fmt, .. "data"u8, 255, 255, 255, 255, .. little,
        ]);
        yield return Case("RIFX",
        [
            .. "RIFX"u8, .. BigEndian(44), .. "WAVEfmt "u8, .. BigEndian(16), 0, 1, 0, 1, .. BigEndian(16000), .. BigEndian(32000), 0, 2, 0, 16,
            .. "data"u8, .. BigEndian(8), .. big,
        ]);
        byte[] rest = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A]; // of all of Sony's GUIDs but the first
        yield return Case("W64",
        [
            .. "riff"u8, 0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0, .. BitConverter.GetBytes(112L), .. "wave"u8, .. rest,
            .. "fmt "u8, .. rest, .. BitConverter.GetBytes(40L), .. fmt[8..], .. "data"u8, .. rest, .. BitConverter.GetBytes(32L), .. little,
        ]);
        yield return Case("AIFF",
        [
            .. "FORM"u8, .. BigEndian(54), .. "AIFFCOMM"u8, .. BigEndian(18), 0, 1, .. BigEndian(4), 0, 16, 0x40, 0x0C, 0xFA, 0, 0, 0, 0, 0, 0, 0,
            .. "SSND"u8, .. BigEndian(16), .. BigEndian(0), .. BigEndian(0), .. big,
        ]);
        yield return Case("VOC",
        [
            .. "Creative Voice File\u001A"u8, 26, 0, 0x14, 0x01, 0x1F, 0x11, 9, 20, 0, 0, .. BitConverter.GetBytes(16000), 16, 1, 4, 0, .. BitConverter.GetBytes(0), .. little, 0,
        ]);
        yield return Case("CAF",
        [
            .. "caff"u8, 0, 1, 0, 0, .. "desc"u8, .. BigEndian(0), .. BigEndian(32), .. BitConverter.GetBytes(16000.0).Reverse(), .. "lpcm"u8, .. BigEndian(0), .. BigEndian(2), .. BigEndian(1), .. BigEndian(1),
            .. BigEndian(16), .. "data"u8, .. BigEndian(0), .. BigEndian(12), .. BigEndian(0), .. big,
        ]);

        static TestCaseData Case(string name, byte[] bytes) => new TestCaseData(bytes).SetArgDisplayNames(name);

        static byte[] BigEndian(int value) => [.. BitConverter.GetBytes(value).Reverse()];
    }

    [TestCaseSource(nameof(OtherContainers))]
    public void Read_OtherContainer_IsLibsndfiles(byte[] bytes)
    {
        Sounds.RequireSndFile();
        string path = folder.Write("a.wav", bytes);
        Assert.That(AudioFile.Read(path), Is.EqualTo(new[] { 0.25f, -0.25f, 1 / 32768f, 2 / 32768f }));
        Assert.That(AudioFile.Probe(path), Is.EqualTo(new RecordingInfo(RecordingFormat.Other, 16000, 4)));
    }

    /// <summary>As a file is that was cut: it says that a thousand bytes more are in it. libsndfile reads what there is.</summary>
    [TestCaseSource(nameof(OtherContainers))]
    public void Read_OtherContainer_ThatWasCut_SaysSo(byte[] bytes)
    {
        byte[] cut = Encoding.Latin1.GetString(bytes[..4]) switch
        {
            "FORM" or "RIFX" => Patched(4, 1008),
            ".snd" => Patched(8, 1008),
            "RF64" => Patched(20, 0x0400), // little-endian
            "riff" => Patched(16, 0x0400),
            "Crea" => Patched(26, 0x09140400), // a block of kind 9
            "caff" => Patched(60, 1012),
            _ => Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(bytes).Replace("count -i 4\n", "count -i 999\n", StringComparison.Ordinal)),
        };
        string path = folder.Write("a.wav", cut);
        foreach (Action read in new Action[] { () => AudioFile.Read(path), () => AudioFile.Probe(path), () => SoundReader.Open(path) })
            Assert.That(() => read(), IsOneLine(path, "truncated: the header says"));

        byte[] Patched(int at, int value) => [.. bytes[..at], .. BitConverter.GetBytes(value).Reverse(), .. bytes[(at + 4)..]];
    }

    private static readonly object[] Broken =
    [
        new object[] { "truncated: the data chunk says 100 bytes, the file has 6", WavBytes.Make(1, 16, 1, 16000, WavBytes.Shorts(1, 2, 3), says: 100) },
        new object[] { "holds no samples", WavBytes.Make(1, 16, 1, 16000, []) },
        new object[] { "holds no samples", WavBytes.Make(1, 16, 2, 16000, [1, 2, 3]) },
        new object[] { "holds no samples", (byte[])[.. WavBytes.Make(1, 16, 1, 16000, []), .. "LIST\u0006\0\0\0INFO\0\0"u8] },
        new object[] { "PCM of 40 bits in 5 bytes cannot be read", WavBytes.Make(1, 40, 1, 16000, new byte[5]) },
        new object[] { "in no simple ratio", WavBytes.Make(1, 16, 1, 767_999, [1, 2]) },
        new object[] { "holds an HTML page, not sound", "<!DOCTYPE html><html><body>404</body></html>"u8.ToArray() },
        new object[] { "holds XML, not sound", "<?xml version=\"1.0\"?><Error/>"u8.ToArray() },
        new object[] { "holds a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"u8.ToArray() },
        new object[] { "holds JSON, not sound", "{\"error\": \"quota\"}"u8.ToArray() },
        new object[] { "0 channels", WavBytes.Make(1, 16, 0, 16000, [1, 2]) },
        new object[] { "sample rate of 0 Hz", WavBytes.Make(1, 16, 1, 0, [1, 2]) },
        new object[] { "sample rate of 4000000000 Hz", WavBytes.Make(1, 16, 1, 4_000_000_000, [1, 2]) },
        new object[] { "sample 1 is NaN", WavBytes.Make(3, 32, 1, 16000, Bytes(0f, float.NaN)) },
        new object[] { "no fmt chunk", "RIFF....WAVE"u8.ToArray() },
        new object[] { "no data chunk", WavBytes.Make(1, 16, 1, 16000, [1, 2])[..36] },
        new object[] { "truncated", WavBytes.Make(1, 16, 1, 16000, [1, 2])[..30] },
        new object[] { "truncated", "RIFF..."u8.ToArray() },
        new object[] { "the data chunk comes before any fmt chunk", "RIFF....WAVEdata\u0002\0\0\0\0\0"u8.ToArray() },
        new object[] { "the file is empty", Array.Empty<byte>() },
    ];

    [TestCaseSource(nameof(Broken))]
    public void Read_BrokenFile_SaysWhat(string fault, byte[] bytes)
    {
        string path = folder.Write("broken.wav", bytes);
        Assert.That(() => AudioFile.Read(path), IsOneLine(path, fault));
    }

    [Test]
    public void Read_MissingFile_SaysSo()
    {
        Assert.That(() => AudioFile.Read(folder["none.wav"]), IsOneLine(folder["none.wav"], "no such file"));
        Assert.That(() => AudioFile.Duration(folder["no/ne.wav"]), IsOneLine(folder["no/ne.wav"], "no such file"));
        Assert.That(() => AudioFile.Read(folder.Path), IsOneLine(folder.Path, "is a directory"));
    }

    internal static NUnit.Framework.Constraints.IResolveConstraint IsOneLine(string path, string fault) =>
        Throws.TypeOf<InputException>().With.Message.StartsWith(path + ": ").And.Message.Contains(fault).And.Message.Not.Contains("\n");
}
