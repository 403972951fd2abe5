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
        MergedManifest merged = Merge("out/all.csv", [first, second]);
        Assert.That(merged, Is.EqualTo(new MergedManifest(4, 7.5, 0, 0, 1)));
        Assert.That(File.ReadAllText(folder["out/all.csv"]), Is.EqualTo(
            "../u0.wav,../u0.txt\n../deep/b.wav,../deep/b.txt\n../u2.wav,../u2.txt\n../u1.wav,../u1.txt\n"));
        Assert.That(Corpus.Load(folder["out/all.csv"], Alphabet.English).Utterances, Has.Count.EqualTo(4));

        Assert.That(Merge("pruned.csv", [first, second], 1.2, 2), Is.EqualTo(new MergedManifest(2, 3.5, 1, 1, 1)));
        Assert.That(() => Merge("none.csv", [first], 10), WavReaderTests.IsOneLine(folder["none.csv"], "none is between"));
        Assert.That(folder["none.csv"], Does.Not.Exist);
    }

    private MergedManifest Merge(string output, string[] manifests, double min = 0, double max = double.PositiveInfinity) =>
        MergedManifest.Write([.. manifests.Select(manifest => Corpus.Load(manifest, Alphabet.English, new CorpusOptions { AllowRepeated = true }))], folder[output], min, max);

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

    private static readonly string[] OddNames = ["x,y", " z", "z ", "say \"no\"", "\"quoted\"", "tab\there", "\ufeffmark", "it's", "#1", "a;b", "\u00e9 \u0434"];

    [Test]
    public void Merge_WhatItWrites_IsRead([ValueSource(nameof(OddNames))] string name)
    {
        folder.WriteNoise(1600);
        Directory.CreateDirectory(folder[name]);
        File.Copy(folder["u0.wav"], folder[$"{name}/{name}.wav"]);
        File.Copy(folder["u0.txt"], folder[$"{name}/{name}"]);
        string manifest = folder.Write($"{name}/m.csv", ManifestFile.Line($"{name}.wav", name) + "\n");
        Merge("all.csv", [manifest]);
        Assert.That(ManifestFile.Read(folder["all.csv"]), Is.EqualTo(new[] { new ManifestEntry(folder[$"{name}/{name}.wav"], folder[$"{name}/{name}"], 1) }));
        Assert.That(Corpus.Load(folder["all.csv"], Alphabet.English).Utterances[0].Id, Is.EqualTo(name));
    }

    [Test]
    public void Line_NameWithALineEnd_IsRefused()
    {
        foreach (string end in new[] { "\n", "\r" })
            Assert.That(() => ManifestFile.Line("a.wav", $"a{end}b.txt"), WavReaderTests.IsOneLine("a b.txt", "line end"));
    }

    [Test]
    public void Read_MarksLineEndsAndSpaces()
    {
        folder.Write("m.csv", "\ufeffa.wav,a.txt\r\n\r\n b.wav ,\t\" b.txt\" \n\ufeff\"c\"\"d.wav\",c\"d.txt\rd.wav,d.txt\r\n\u2028\n\ufeff\n./e.wav,../e.txt");
        Assert.That(ManifestFile.Read(folder["m.csv"]), Is.EqualTo(new ManifestEntry[]
        {
            new(folder["a.wav"], folder["a.txt"], 1), new(folder["b.wav"], folder[" b.txt"], 3), new(folder["c\"d.wav"], folder["c\"d.txt"], 4), new(folder["d.wav"], folder["d.txt"], 5),
            new(folder["e.wav"], Path.GetFullPath(folder["../e.txt"]), 8),
        }));
    }

    [Test]
    public void Read_LongFile_IsReadAcrossTheBuffer_WithoutGarbage()
    {
        string[] lines = [.. Enumerable.Range(0, 20_000).Select(i => $"train/wav/{i % 7}/{i:D6}{new string('x', i % 50)}.wav,train/txt/{i:D6}.txt")];
        folder.Write("m.csv", string.Join("\r\n", lines) + $"\r\n{new string('l', 200_000)}.wav,l.txt");
        using var reader = new ManifestReader(folder["m.csv"]);
        Assert.That(reader.Read(), Is.True);
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool same = true;
        for (int i = 0; i < lines.Length; i++)
        {
            same &= lines[i].AsSpan().StartsWith(reader.Audio) && lines[i].AsSpan().EndsWith(reader.Text) && reader.Line == i + 1;
            if (i == lines.Length - 1)
                Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(lines.Length), "less than a byte a line");
            reader.Read();
        }
        Assert.That(same, Is.True);
        Assert.That(reader.Audio.Length, Is.EqualTo(200_004));
        Assert.That(reader.Read(), Is.False);
    }

    [TestCase("audio,text\nu0.wav,u0.txt", "line 1", "looks like a header")]
    [TestCase("wav_filename,wav_filesize,transcript\n", "line 1", "looks like a header")]
    [TestCase("path\tsentence\n", "line 1", "looks like a header")]
    [TestCase("{\"audio_filepath\": \"u0.wav\", \"text\": \"A\"}\n", "line 1", "looks like JSON")]
    [TestCase("u0.wav\tu0.txt\n", "line 1", "separated by tabs")]
    [TestCase("\"u0.wav,u0.txt\n", "line 1", "in quotes")]
    [TestCase("\"u0\".wav,u0.txt\n", "line 1", "in quotes")]
    [TestCase("u0.wav,u0.txt\na,b.wav,b.txt\n", "line 2", "comma in it in double quotes")]
    [TestCase("u0.wav,32044,HELLO WORLD\n", "line 1", "looks like the text itself: 'HELLO WORLD'")]
    [TestCase("u0.wav,HELLO WORLD\n", "line 1", "looks like the text itself: 'HELLO WORLD'")]
    public void Load_OtherFormats_GetAHint(string content, string place, string hint)
    {
        folder.WriteNoise(1600);
        string manifest = folder.Write("m.csv", content);
        Assert.That(() => Corpus.Load(manifest, Alphabet.English), WavReaderTests.IsOneLine(manifest, hint));
        Assert.That(() => Corpus.Load(manifest, Alphabet.English), WavReaderTests.IsOneLine(manifest, place));
    }

    [Test]
    public void Read_BadBytesAfterAByteOrderMark_AreRefused()
    {
        byte[] bytes = [0xEF, 0xBB, 0xBF, (byte)'a', 0xFF];
        Assert.That(() => ManifestFile.Read(folder.Write("a.csv", [.. bytes, .. ",b.txt"u8])), WavReaderTests.IsOneLine(folder["a.csv"], "not UTF-8"));
        string manifest = folder.WriteNoise(1600);
        folder.Write("u0.txt", bytes);
        Assert.That(() => Corpus.Load(manifest, Alphabet.English), WavReaderTests.IsOneLine(folder["u0.txt"], "not UTF-8"));
    }

    [Test]
    public void Ids_AreTheShortestUniqueEndsOfThePaths()
    {
        string[] paths = ["/d/s1/0001.wav", "/d/s2/0001.wav", "/e/s2/0001.wav", "/d/s1/0002.wav", "/d/x.wav", "/d/x.flac", "/x.y.wav", "/x.y/noending", "/0001.wav", "/0001"];
        Assert.That(UtteranceIds.In(paths).Select((range, i) => paths[i][range]), Is.EqualTo(
            new[] { "s1/0001", "d/s2/0001", "e/s2/0001", "0002", "d/x.wav", "d/x.flac", "x.y", "noending", "0001.wav", "0001" }));
    }

    [Test]
    public void SharedRecordings_AreCounted()
    {
        Assert.That(SharedRecordings.Note("a.csv", ["/1", "/2", "/3"], "b.csv", ["/3", "/2", "/4"]), Does.StartWith("2 of the 3 recordings of b.csv are trained on too, /2 for one"));
        Assert.That(SharedRecordings.Note("a.csv", ["/1"], "b.csv", ["/2"]), Is.Null);
        Assert.That(SharedRecordings.Note("a.csv", ["/1"], "./a.csv", ["/1"]), Is.Null);
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
        CorpusStatistics statistics = CorpusStatistics.Of(Corpus.Load(manifest, Alphabet.English));
        Assert.That(statistics.Seconds, Is.EqualTo(new[] { 1, 2, 2.5 }));
        Assert.That(statistics.Hours, Is.EqualTo(5.5 / 3600).Within(1e-12));
        Assert.That((statistics.Speakers, statistics.Words), Is.EqualTo(((int?)2, 8L)));
        Assert.That(CorpusStatistics.Of(Corpus.Load(manifest, new Alphabet(Alphabet.English.Labels.SkipLast(1)))).Words, Is.EqualTo(25), "without a space, labels and what none of them writes");
        Assert.That(statistics.Characters.ForeignCharacters, Is.EqualTo(new CharacterCount[] { new((Rune)'2', null, 4, folder["a.txt"], 1) }));
        Assert.That(statistics.Characters.MappedCharacters, Is.EqualTo(new CharacterCount[] { new((Rune)'\u00ef', "I", 1, folder["b.txt"], 2) }));
        (double width, int[] counts) = statistics.Histogram(5);
        Assert.That(width, Is.EqualTo(0.5));
        Assert.That(counts, Is.EqualTo(new[] { 0, 0, 1, 0, 1, 1 }));
    }
}
