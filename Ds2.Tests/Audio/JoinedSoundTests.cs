using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Audio;

/// <summary>MP3 and Ogg: several in one file, without a table of frames, cut, changed. By every way that reads sound.</summary>
public sealed class JoinedSoundTests
{
    /// <summary>Of LAME's table, "Xing", the frame; it begins the MP3. And what a decoder leaves out at the start where the table is there: 576 samples of the encoder's, 529 of its own.</summary>
    private const int TableBytes = 180, Delay = 576 + 529;

    private const int Samples = 6400;

    private static readonly byte[] Mp3 = Golden("tone.mp3"), Opus = Golden("tone.opus");
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    /// <summary>libsndfile takes it for a third of what it is, and says nothing.</summary>
    [Test]
    public void Mp3WithoutATable_IsReadWhole()
    {
        float[] tabled = Read("a.mp3", Mp3), bare = Read("b.mp3", Mp3[TableBytes..]);
        Assert.That(tabled, Has.Length.EqualTo(Samples));
        Assert.That(bare, Has.Length.EqualTo(14 * 576));
        Assert.That(bare.AsSpan(Delay, Samples).ToArray(), Is.EqualTo(tabled), "bit for bit");
        Assert.That(tabled.Max(), Is.EqualTo(0.55).Within(0.03));
    }

    [Test]
    public void Joined_AreReadOneAfterTheOther()
    {
        float[] mp3 = Read("a.mp3", Mp3), bare = Read("a.mp3", Mp3[TableBytes..]), opus = Read("a.opus", Opus);
        byte[] tag = [.. "TAG"u8, .. new byte[125]], id3 = [.. "ID3"u8, 4, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5];
        foreach ((string what, byte[] bytes, float[] expected) in new (string, byte[], float[])[]
        {
            ("two", [.. Mp3, .. Mp3], [.. mp3, .. mp3]),
            ("with tags", [.. id3, .. Mp3, .. tag, .. id3, .. Mp3, .. tag], [.. mp3, .. mp3]),
            ("the first without a table", [.. Mp3[TableBytes..], .. Mp3], [.. bare, .. mp3]),
            ("the second without a table", [.. Mp3, .. Mp3[TableBytes..]], [.. mp3, .. bare]),
            ("Ogg", [.. Opus, .. Opus, .. Opus], [.. opus, .. opus, .. opus]),
        })
        {
            Assert.That(Read("joined", bytes), Is.EqualTo(expected), what);
        }
    }

    [Test]
    public void WhatFollowsTheLastFrameOfATable_IsNoSound()
    {
        byte[] zeros = new byte[300], junk = [.. "something else"u8, .. new byte[2000]];
        foreach (byte[] behind in new[] { zeros, junk, "APETAGEX"u8.ToArray() })
            Assert.That(Read("a.mp3", [.. Mp3, .. behind]), Is.EqualTo(Read("b.mp3", Mp3)));
        Assert.That(Read("a.mp3", [.. Mp3[TableBytes..], .. zeros]), Is.EqualTo(Read("b.mp3", Mp3[TableBytes..])));
    }

    /// <summary>The last frame was taken for a recording of its own, of which nothing can be heard.</summary>
    [Test]
    public void Mp3WhoseTableCountsAFrameTooFew_IsReadWhole()
    {
        byte[] tag = [.. "TAG"u8, .. new byte[125]], few = [.. Mp3];
        Assert.That(few[24], Is.EqualTo(14), "the table's number of frames, its lowest byte");
        few[24]--;
        float[] whole = Read("a.mp3", Mp3);
        Assert.That(Read("b.mp3", few), Is.EqualTo(whole));
        Assert.That(Read("c.mp3", [.. few, .. tag, .. few, .. Mp3]), Is.EqualTo(new[] { whole, whole, whole }.SelectMany(part => part)));
    }

    private static IEnumerable<TestCaseData> Damaged()
    {
        byte[] flipped = [.. Opus], rate = [.. Mp3];
        flipped[500] ^= 1;
        rate[1046] ^= 0x40;
        yield return Case("MP3 cut within a frame", Mp3[..1200], "the last frame of MPEG audio, at byte 1116 of 1200, is not whole");
        yield return Case("MP3 cut between frames", Mp3[..1116], "0.4 of 0.5 s could be decoded");
        yield return Case("MP3 without a table, cut", Mp3[TableBytes..^20], "the last frame of MPEG audio");
        yield return Case("MP3 that lacks bytes", [.. Mp3[..800], .. Mp3[830..]], "after 0.3 s, no frame of MPEG audio begins at byte 1044");
        yield return Case("MP3 with a changed frame header", rate, "no frame of MPEG audio begins at byte 1");
        yield return Case("Two MP3s, the first cut", [.. Mp3[..1116], .. Mp3], "0.4 of 0.5 s could be decoded");
        yield return Case("Ogg, cut", Opus[..600], "the page of Ogg at byte");
        yield return Case("Ogg, cut within a page's header", [.. Opus, .. Opus[..20]], "is not whole");
        yield return Case("Ogg, a bit changed", flipped, "does not have its sum");
        yield return Case("Ogg with something between", [.. Opus, 1, 2, 3, .. Opus], "no page of Ogg begins at byte 669");

        static TestCaseData Case(string what, byte[] bytes, string fault) => new TestCaseData(bytes, fault).SetArgDisplayNames(what);
    }

    /// <summary>No library is needed to see it.</summary>
    [TestCaseSource(nameof(Damaged))]
    public void Damaged_IsRefusedByAllInTheSameWords(byte[] bytes, string fault)
    {
        string path = folder.Write("a", bytes);
        foreach (Action read in new Action[] { () => AudioFile.Read(path), () => AudioFile.Probe(path), () => ReadInBlocks(path) })
        {
            InputException? refused = Assert.Throws<InputException>(() => read());
            Assert.That(refused!.Message, Does.StartWith($"{path}: damaged or truncated: ").And.Contain(fault).And.Not.Contain("\n"));
        }
    }

    [Test]
    public void Joined_OfTwoRates_AreRefused()
    {
        Sounds.RequireSndFile();
        // The header's rate is 24 instead of 16 kHz: with the same bit rate a frame is shorter.
        byte[] frame = [0xFF, 0xF3, 0x54, 0xC0, .. new byte[116]];
        string path = folder.Write("a.mp3", [.. Mp3, .. frame, .. frame, .. frame]);
        _ = Read("b.mp3", Mp3);
        Assert.That(() => AudioFile.Read(path), WavReaderTests.IsOneLine(path, "recordings of 16000 and 24000 Hz are joined in it"));
    }

    /// <summary>What all ways give alike.</summary>
    private float[] Read(string name, byte[] bytes)
    {
        Sounds.RequireSndFile();
        string path = folder.Write(name, bytes);
        using (SndFileSource? source = SndFile.TryOpenSource(path, out string? whyNot))
        {
            if (source is null)
                Assert.Ignore($"needs a libsndfile that reads MP3 and Opus (1.1): {whyNot}");
        }
        float[] samples = AudioFile.Read(path);
        Assert.That(ReadInBlocks(path), Is.EqualTo(samples));
        Assert.That(AudioFile.Probe(path), Is.EqualTo(new RecordingInfo(RecordingFormat.Other, 16000, samples.Length)));
        return samples;
    }

    private static float[] ReadInBlocks(string path)
    {
        using SoundReader reader = SoundReader.Open(path);
        return SoundReaderTests.All(reader);
    }

    private static byte[] Golden(string name) => File.ReadAllBytes(Path.Combine(TestContext.CurrentContext.TestDirectory, "Goldens", name));
}
