using System.Text;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data;

public sealed class CorpusTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Load_SortsByLength_TiesInTheManifestsOrder()
    {
        Corpus corpus = folder.LoadNoise(3200, 1600, 3200, 800, 1600);
        Assert.That(corpus.Utterances.Select(u => u.Id), Is.EqualTo(new[] { "u3", "u1", "u4", "u0", "u2" }));
        Assert.That(corpus.TotalSeconds, Is.EqualTo(10400 / 16000.0).Within(1e-12));
        Assert.That(corpus.Utterances[0], Has.Property("Text").EqualTo("D").And.Property("Labels").EqualTo(new[] { 5 }).And.Property("Seconds").EqualTo(0.05));
    }

    [Test]
    public void Load_AbsolutePathsEmptyLinesAndWindowsLineEnds()
    {
        folder.WriteNoise(1000, 1001);
        string manifest = folder.Write("deep/down/m.csv", $"\r\n{folder["u0.wav"]} , {folder["u0.txt"]}\r\n\r\n../../u1.wav,../../u1.txt\r\n");
        Assert.That(Corpus.Load(manifest, Alphabet.English).Utterances, Has.Count.EqualTo(2));
    }

    [Test]
    public void Load_TextIsWhatWasSaid_LabelsAreWhatTheAlphabetCanWrite()
    {
        string manifest = folder.WriteNoise(1000, 2000);
        folder.Write("u0.txt", "  Well, it\u2019s\n\t5 o'clock. \n");
        Corpus corpus = Corpus.Load(manifest, Alphabet.English);
        Utterance utterance = corpus.Utterances[0];
        Assert.That(utterance.Text, Is.EqualTo("WELL IT'S 5 O'CLOCK"));
        Assert.That(Alphabet.English.Decode(utterance.Labels), Is.EqualTo("WELL IT'S O'CLOCK"));
        Assert.That(corpus.Characters.ForeignCharacters, Is.EqualTo(new[] { new CharacterCount((Rune)'5', null, 1, folder["u0.txt"], 1) }));
        Assert.That(corpus.Without(u => u.Id == "u0" ? "short" : null).Characters.MappedCharacters, Has.Count.EqualTo(3));
    }

    [Test]
    public void Load_Faults_AreOneLineAndNameTheFile()
    {
        Assert.That(() => Load("none.csv"), WavReaderTests.IsOneLine(folder["none.csv"], "no such file"));
        folder.WriteNoise(1000, 1000, 1000);

        folder.Write("bad.csv", "\n\n");
        Assert.That(() => Load("bad.csv"), WavReaderTests.IsOneLine(folder["bad.csv"], "lists no utterances"));
        foreach (string line in new[] { "u1.wav", "u1.wav,u1.txt,", "u1.wav,", ",u1.txt" })
        {
            folder.Write("bad.csv", $"u0.wav,u0.txt\n{line}\n");
            Assert.That(() => Load("bad.csv"), WavReaderTests.IsOneLine(folder["bad.csv"], "line 2: expected 'audio path,text path'"));
        }

        File.Delete(folder["u1.txt"]);
        Assert.That(() => Load("manifest.csv"), WavReaderTests.IsOneLine(folder["u1.txt"], "no such file"));
    }

    /// <summary>Whoever mends a data set wants to know of all at once.</summary>
    [Test]
    public void Load_SeveralFaults_AreToldTogether_OrPassedOver()
    {
        folder.WriteNoise(1000, 1000, 1000, 1000);
        File.Delete(folder["u1.txt"]);
        folder.Write("u0.wav", File.ReadAllBytes(folder["u0.wav"])[..1000]);
        File.AppendAllText(folder["manifest.csv"], "u2.wav,u2.txt\n");
        CorpusFaultsException all = Assert.Throws<CorpusFaultsException>(() => Load("manifest.csv"))!;
        Assert.That(all.Faults.Select(fault => fault.Line), Is.EqualTo(new[] { 1, 2, 5 }));
        Assert.That(all.Faults[0].Message, Does.Contain("u0.wav: truncated"));
        Assert.That(all.Message, Does.Contain("3 of 5 utterances cannot be used"));

        var rest = Corpus.Load(folder["manifest.csv"], Alphabet.English, new CorpusOptions { SkipFaults = true });
        Assert.That(rest.Utterances.Select(utterance => Path.GetFileName(utterance.AudioPath)), Is.EqualTo(new[] { "u2.wav", "u3.wav" }));
        Assert.That(rest.Faults, Has.Count.EqualTo(3));
        Assert.That(rest.Without(utterance => utterance.AudioPath.EndsWith("u2.wav", StringComparison.Ordinal) ? "so" : null).Faults, Has.Count.EqualTo(3));
    }

    [Test]
    public void Load_Cancelled_Ends()
    {
        folder.WriteNoise(1000);
        Assert.That(() => Corpus.Load(folder["manifest.csv"], Alphabet.English, cancellation: new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
    }

    /// <summary>Silence, and what the alphabet cannot write, are scored; training leaves them out.</summary>
    [Test]
    public void Load_TextWithoutALabel_Stays()
    {
        folder.WriteNoise(1000, 1200);
        folder.Write("u0.txt", " 123 \n");
        folder.Write("u1.txt", "\n");
        Corpus corpus = Load("manifest.csv");
        Assert.That(corpus.Utterances.Select(utterance => (utterance.Text, utterance.Labels.Length)), Is.EqualTo(new[] { ("123", 0), ("", 0) }));
    }

    private Corpus Load(string name) => Corpus.Load(folder[name], Alphabet.English);
}
