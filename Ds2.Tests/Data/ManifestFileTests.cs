using System.Text;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data;

public sealed class ManifestFileTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Merge_SortsPrunesAndDropsRepetitions()
    {
        string first = folder.WriteNoise(16000, 48000, 32000);
        string second = folder.Write("deep/manifest.csv", "../u1.wav,../u1.txt\nb.wav,b.txt\n");
        WavWriter.Write(folder["deep/b.wav"], Sounds.Noise(24000, 0.3));
        folder.Write("deep/b.txt", "B");
        MergedManifest merged = ManifestFile.Merge([first, second], folder["out/all.csv"]);
        Assert.That(merged, Is.EqualTo(new MergedManifest(4, 7.5, 0, 0, 1)));
        Assert.That(File.ReadAllText(folder["out/all.csv"]), Is.EqualTo(
            "../u0.wav,../u0.txt\n../deep/b.wav,../deep/b.txt\n../u2.wav,../u2.txt\n../u1.wav,../u1.txt\n"));
        Assert.That(Corpus.Load(folder["out/all.csv"], Alphabet.English).Utterances, Has.Count.EqualTo(4));

        Assert.That(ManifestFile.Merge([first, second], folder["pruned.csv"], 1.2, 2), Is.EqualTo(new MergedManifest(2, 3.5, 1, 1, 1)));
        Assert.That(() => ManifestFile.Merge([first], folder["none.csv"], 10), WavReaderTests.IsOneLine(folder["none.csv"], "none is between"));
        Assert.That(folder["none.csv"], Does.Not.Exist);
    }

    [Test]
    public void Read_Faults_AreOneLine()
    {
        Assert.That(() => ManifestFile.Read(folder["none.csv"]), WavReaderTests.IsOneLine(folder["none.csv"], "no such file"));
        Assert.That(() => ManifestFile.Read(folder.Write("a.csv", "\n\n")), WavReaderTests.IsOneLine(folder["a.csv"], "lists no utterances"));
        Assert.That(() => ManifestFile.Read(folder.Write("a.csv", "a.wav,a.txt\na.wav\n")), WavReaderTests.IsOneLine(folder["a.csv"], "line 2"));
        Assert.That(() => ManifestFile.Read(folder.Write("a.csv", [(byte)'a', 0xFF, (byte)',', (byte)'b'])), WavReaderTests.IsOneLine(folder["a.csv"], "not UTF-8"));
        Assert.That(() => ManifestFile.Read(folder.Write("a.csv", "a\0.wav,a.txt\n")), WavReaderTests.IsOneLine(folder["a.csv"], "line 1"));
        folder.Write("a.csv", "../../../nowhere/a.wav,a.txt\n");
        Assert.That(() => Corpus.Load(folder["a.csv"], Alphabet.English), WavReaderTests.IsOneLine(Path.GetFullPath(folder["../../../nowhere/a.wav"]), "no such file"));
        folder.Write("a.csv", "/nowhere/a.wav,a.txt\n");
        Assert.That(() => Corpus.Load(folder["a.csv"], Alphabet.English), WavReaderTests.IsOneLine("/nowhere/a.wav", "no such file"));
    }

    [Test]
    public void Load_TranscriptThatIsNoUtf8_SaysSo()
    {
        string manifest = folder.WriteNoise(16000);
        folder.Write("u0.txt", [(byte)'A', 0xC3]);
        Assert.That(() => Corpus.Load(manifest, Alphabet.English), WavReaderTests.IsOneLine(folder["u0.txt"], "not UTF-8"));
    }

    [Test]
    public void Load_SameRecordingTwice_SaysSo()
    {
        string manifest = folder.WriteNoise(16000, 16001);
        File.AppendAllText(manifest, "./u0.wav,u1.txt\n");
        Assert.That(() => Corpus.Load(manifest, Alphabet.English), WavReaderTests.IsOneLine(manifest, "line 3: the same recording as line 1"));
    }

    [Test]
    public void Statistics_Count()
    {
        WavWriter.Write(folder["10-1-0000.wav"], Sounds.Noise(16000, 0.3));
        WavWriter.Write(folder["10-2-0000.wav"], Sounds.Noise(32000, 0.3));
        WavWriter.Write(folder["11-1-0000.wav"], Sounds.Noise(40000, 0.3));
        folder.Write("a.txt", "IT'S 2 LATE\n");
        folder.Write("b.txt", "na\u00efve 22");
        string manifest = folder.Write("m.csv", "10-1-0000.wav,a.txt\n10-2-0000.wav,b.txt\n11-1-0000.wav,a.txt\n");
        CorpusStatistics statistics = CorpusStatistics.Of(manifest, Alphabet.English);
        Assert.That(statistics.Seconds, Is.EqualTo(new[] { 1, 2, 2.5 }));
        Assert.That(statistics.Hours, Is.EqualTo(5.5 / 3600).Within(1e-12));
        Assert.That((statistics.Speakers, statistics.Words), Is.EqualTo(((int?)2, 8L)));
        Assert.That(statistics.Characters.ForeignCharacters, Is.EqualTo(new CharacterCount[] { new((Rune)'2', null, 4, folder["a.txt"], 1) }));
        Assert.That(statistics.Characters.MappedCharacters, Is.EqualTo(new CharacterCount[] { new((Rune)'\u00ef', "I", 1, folder["b.txt"], 2) }));
        (double width, int[] counts) = statistics.Histogram(5);
        Assert.That(width, Is.EqualTo(0.5));
        Assert.That(counts, Is.EqualTo(new[] { 0, 0, 1, 0, 1, 1 }));
    }
}
