using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data;

public sealed class FeatureStoreTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        folder = new TempFolder();
        WavWriter.Write(folder["a.wav"], Sounds.Noise(8000, 0.3));
    }

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    private FeatureStore Store(List<string>? notes = null) => new(folder["cache"], line =>
    {
        if (notes is null)
            Assert.Fail(line);
        notes?.Add(line);
    });

    [Test]
    public void FromFile_GivesTheExtractorsBits_StoredAndFound([Values] FeatureKind kind)
    {
        var extractor = new FeatureExtractor(kind);
        FeatureMatrix expected = extractor.FromFile(folder["a.wav"]);
        FeatureStore first = Store(), second = Store();
        AssertSame(first.FromFile(folder["a.wav"], extractor), expected);
        AssertSame(second.FromFile(folder["a.wav"], extractor), expected);
        Assert.That((first.Hits, first.Stored, second.Hits, second.Stored), Is.EqualTo((0, 1, 1, 0)));
    }

    [Test]
    public void FromFile_BothKindsOfMfcc_ShareAnEntry()
    {
        FeatureStore store = Store();
        store.FromFile(folder["a.wav"], new FeatureExtractor(FeatureKind.MfccRaw));
        store.FromFile(folder["a.wav"], new FeatureExtractor(FeatureKind.Mfcc));
        store.FromFile(folder["a.wav"], new FeatureExtractor(FeatureKind.Spectrogram));
        Assert.That((store.Hits, store.Stored), Is.EqualTo((1, 2)));
    }

    [Test]
    public void FromFile_ChangedRecording_IsComputedAgain()
    {
        var extractor = new FeatureExtractor(FeatureKind.MfccRaw);
        FeatureStore store = Store();
        store.FromFile(folder["a.wav"], extractor);
        Thread.Sleep(50); // several ticks of the file system's clock
        WavWriter.Write(folder["a.wav"], Sounds.Noise(8000, 0.3, state: 7));
        AssertSame(store.FromFile(folder["a.wav"], extractor), extractor.FromFile(folder["a.wav"]));

        // The same bytes elsewhere are another recording.
        File.Copy(folder["a.wav"], folder["b.wav"]);
        store.FromFile(folder["b.wav"], extractor);
        Assert.That((store.Hits, store.Stored), Is.EqualTo((0, 3)));
    }

    /// <summary>As <c>cp -p</c> and <c>rsync -t</c> leave it: another recording of the same length, with the time of the old one. What names it may be a link, which stays as it is.</summary>
    [Test]
    public void FromFile_ChangedRecordingOfTheSameLengthAndTime_IsComputedAgain([Values] bool byLink)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("only Linux tells when an inode changed");
        var extractor = new FeatureExtractor(FeatureKind.MfccRaw);
        string path = folder[byLink ? "link.wav" : "a.wav"];
        if (byLink)
            File.CreateSymbolicLink(path, folder["a.wav"]);
        DateTime time = File.GetLastWriteTimeUtc(folder["a.wav"]);
        Store().FromFile(path, extractor);
        FeatureStore unchanged = Store();
        unchanged.FromFile(path, extractor);

        Thread.Sleep(50); // several ticks of the file system's clock
        WavWriter.Write(folder["a.wav"], Sounds.Noise(8000, 0.3, state: 7));
        File.SetLastWriteTimeUtc(folder["a.wav"], time);
        FeatureStore changed = Store();
        AssertSame(changed.FromFile(path, extractor), extractor.FromFile(path));
        Assert.That((unchanged.Hits, changed.Hits), Is.EqualTo((1, 0)));
    }

    /// <summary>Every way in which a file goes wrong: each byte flipped, each length, another entry in its place.</summary>
    [Test]
    public void FromFile_DamagedEntry_IsComputedAgainAndReplaced()
    {
        WavWriter.Write(folder["a.wav"], Sounds.Noise(400, 0.3));
        WavWriter.Write(folder["b.wav"], Sounds.Noise(400, 0.3, state: 7));
        var extractor = new FeatureExtractor(FeatureKind.MfccRaw);
        FeatureMatrix expected = extractor.FromFile(folder["a.wav"]);
        Store().FromFile(folder["a.wav"], extractor);
        string entry = Entries().Single();
        Store().FromFile(folder["b.wav"], extractor);
        byte[] whole = File.ReadAllBytes(entry), other = File.ReadAllBytes(Entries().Single(file => file != entry));

        var damaged = new List<byte[]> { other, Array.Empty<byte>(), (byte[])[.. whole, 0] };
        for (int i = 0; i < whole.Length; i++)
        {
            byte[] flipped = [.. whole];
            flipped[i] ^= 0x40;
            damaged.Add(flipped);
        }

        for (int length = 1; length < whole.Length; length += 7)
            damaged.Add(whole[..length]);
        foreach (byte[] bytes in damaged)
        {
            File.WriteAllBytes(entry, bytes);
            var notes = new List<string>();
            FeatureStore store = Store(notes);
            AssertSame(store.FromFile(folder["a.wav"], extractor), expected);
            Assert.That((store.Hits, store.Damaged, store.Stored), Is.EqualTo((0, 1, 1)));
            Assert.That(notes.Single(), Does.StartWith(entry).And.Contain("damaged"));
            Assert.That(File.ReadAllBytes(entry), Is.EqualTo(whole));
        }
    }

    /// <summary>Two stores, as two runs have them, and threads of each, on the same recordings at once.</summary>
    [Test]
    public void FromFile_SharedByTwoRuns_IsRightInBoth()
    {
        var extractor = new FeatureExtractor(FeatureKind.MfccRaw);
        string[] paths = [.. Enumerable.Range(0, 12).Select(i => folder[$"{i}.wav"])];
        for (int i = 0; i < paths.Length; i++)
            WavWriter.Write(paths[i], Sounds.Noise(1600 + 100 * i, 0.3, i + 1));
        FeatureMatrix[] expected = [.. paths.Select(path => extractor.FromFile(path))];
        FeatureStore[] stores = [Store(), Store()];
        Parallel.For(0, 8 * paths.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
            AssertSame(stores[i % 2].FromFile(paths[i / 8], extractor), expected[i / 8]));
        Assert.That(stores.Sum(store => store.Hits + store.Stored), Is.EqualTo(8 * paths.Length));
        Assert.That(Entries().Count(), Is.EqualTo(paths.Length));
        Assert.That(Directory.GetFiles(folder["cache/partial"]), Is.Empty);
    }

    [Test]
    public void FromFile_CannotStore_SaysSoOnceAndGoesOn()
    {
        var notes = new List<string>();
        FeatureStore store = Store(notes);
        Directory.Delete(folder["cache"], recursive: true);
        folder.Write("cache", "a file where the folder was");
        var extractor = new FeatureExtractor(FeatureKind.MfccRaw);
        for (int i = 0; i < 3; i++)
            AssertSame(store.FromFile(folder["a.wav"], extractor), extractor.FromFile(folder["a.wav"]));
        Assert.That(notes.Single(), Does.Contain("nothing more is stored"));
        Assert.That(() => Store(), Throws.TypeOf<InputException>().With.Message.Contains("cannot be written"));
    }

    [Test]
    public void FromFile_UnreadableRecording_NamesIt()
    {
        folder.Write("a.wav", "RIFF");
        Assert.That(() => Store().FromFile(folder["a.wav"], new FeatureExtractor(FeatureKind.Mfcc)), WavReaderTests.IsOneLine(folder["a.wav"], "truncated"));
        Assert.That(() => Store().FromFile(folder["none.wav"], new FeatureExtractor(FeatureKind.Mfcc)), WavReaderTests.IsOneLine(folder["none.wav"], "no such file"));
        Assert.That(Entries(), Is.Empty);
    }

    private IEnumerable<string> Entries() =>
        Directory.EnumerateFiles(folder["cache"], "*", SearchOption.AllDirectories).Where(file => !file.Contains("partial", StringComparison.Ordinal));

    private static void AssertSame(FeatureMatrix actual, FeatureMatrix expected)
    {
        Assert.That((actual.Rows, actual.Frames), Is.EqualTo((expected.Rows, expected.Frames)));
        Assert.That(actual.Values.AsSpan().SequenceEqual(expected.Values), Is.True);
    }
}
