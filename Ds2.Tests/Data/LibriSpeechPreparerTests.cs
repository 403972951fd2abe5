using System.Buffers.Binary;
using System.Security.Cryptography;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.LibriSpeech;
using Ds2.Runtime.Files;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;
using Ds2.Tests.Data.Download;

namespace Ds2.Tests.Data;

public sealed class LibriSpeechPreparerTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        Sounds.RequireSndFile();
        folder = new TempFolder();
    }

    [TearDown]
    public void RemoveFolder() => folder?.Dispose();

    private string Out => folder["out"];

    /// <summary>Two splits of the training set, one of each other; lengths that are not in the order of the names.</summary>
    private void WriteTree()
    {
        WriteChapter("train-clean-100/10/1", ("10-1-0000", 5000), ("10-1-0001", 3000));
        WriteChapter("train-other-500/11/2", ("11-2-0000", 4000));
        WriteChapter("dev-clean/12/3", ("12-3-0000", 1600));
        WriteChapter("test-other/13/4", ("13-4-0000", 1600));
        folder.Write("src/LibriSpeech/BOOKS.TXT", "not a split");
    }

    private void WriteChapter(string path, params (string Id, int Samples)[] utterances)
    {
        string chapter = $"src/LibriSpeech/{path}";
        foreach ((string id, int samples) in utterances)
            folder.Write($"{chapter}/{id}.flac", FlacBytes.Make(Noise(samples)));
        string[] parts = path.Split('/');
        folder.Write($"{chapter}/{parts[1]}-{parts[2]}.trans.txt", string.Concat(utterances.Select(u => $"{u.Id} it's {u.Samples} Words\n")));
    }

    private static short[] Noise(int samples) => Sounds.Shorts(Sounds.Noise(samples, 0.5, samples));

    [Test]
    public void Run_MakesTheBenchmarksLayout()
    {
        WriteTree();
        PreparedCorpus prepared = LibriSpeechPreparer.Run(folder["src"], Out);
        Assert.That(prepared.Manifests, Is.EqualTo(new[] { "train", "val", "test" }.Select(set => Path.Combine(Out, $"libri_{set}_manifest.csv"))));
        Assert.That(File.ReadAllText(prepared.Manifests[0]), Is.EqualTo(
            "train/wav/10-1-0001.wav,train/txt/10-1-0001.txt\ntrain/wav/11-2-0000.wav,train/txt/11-2-0000.txt\ntrain/wav/10-1-0000.wav,train/txt/10-1-0000.txt\n"));
        Assert.That(prepared.Splits.Select(s => (s.Name, s.Set, s.Utterances, s.Converted)), Is.EqualTo(new[]
        {
            ("dev-clean", "val", 1, 1), ("test-other", "test", 1, 1), ("train-clean-100", "train", 2, 2), ("train-other-500", "train", 1, 1),
        }));
        Assert.That(prepared.Hours, Is.EqualTo(15200 / 16000.0 / 3600).Within(1e-12));
        Assert.That(File.ReadAllText(Path.Combine(Out, "libri_train-other-500_manifest.csv")), Is.EqualTo("train/wav/11-2-0000.wav,train/txt/11-2-0000.txt\n"));

        Corpus corpus = Corpus.Load(prepared.Manifests[0], Alphabet.English);
        Assert.That(corpus.Utterances.Select(u => u.Id), Is.EqualTo(new[] { "10-1-0001", "11-2-0000", "10-1-0000" }));
        Assert.That(corpus.Utterances[1].Text, Is.EqualTo("IT'S 4000 WORDS"));
        Assert.That(File.ReadAllText(corpus.Utterances[1].TextPath), Is.EqualTo("IT'S 4000 WORDS\n"));
        Assert.That(AudioFile.Read(corpus.Utterances[1].AudioPath), Is.EqualTo(Noise(4000).Select(s => s / 32768f).ToArray()), "bit for bit");
        Assert.That(Directory.GetFiles(Out, "*" + AtomicFile.PartialSuffix, SearchOption.AllDirectories), Is.Empty);
    }

    [Test]
    public void Run_NamesWithCommasAndQuotes_AreReadAgain()
    {
        WriteChapter("dev-clean/12/3", ("12-3-0,\"1\"", 1600));
        PreparedCorpus prepared = LibriSpeechPreparer.Run(folder["src"], Out);
        Assert.That(Corpus.Load(prepared.Manifests[0], Alphabet.English).Utterances[0].Id, Is.EqualTo("12-3-0,\"1\""));
        Assert.That(LibriSpeechPreparer.Run(folder["src"], Out).Converted, Is.Zero);
    }

    [Test]
    public void Run_Again_KeepsWhatIsWhole()
    {
        WriteTree();
        LibriSpeechPreparer.Run(folder["src/LibriSpeech"], Out);
        string manifest = File.ReadAllText(Path.Combine(Out, "libri_train_manifest.csv"));
        string kept = Path.Combine(Out, "train/wav/10-1-0000.wav"), cut = Path.Combine(Out, "train/wav/10-1-0001.wav");
        byte[] whole = File.ReadAllBytes(cut);
        DateTime before = new(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(kept, before);
        File.WriteAllBytes(cut, whole[..^2]);
        File.Delete(Path.Combine(Out, "val/txt/12-3-0000.txt"));

        PreparedCorpus again = LibriSpeechPreparer.Run(folder["src/LibriSpeech"], Out);
        Assert.That(again.Converted, Is.EqualTo(2));
        Assert.That(File.GetLastWriteTimeUtc(kept), Is.EqualTo(before));
        Assert.That(File.ReadAllBytes(cut), Is.EqualTo(whole));
        Assert.That(Path.Combine(Out, "val/txt/12-3-0000.txt"), Does.Exist);
        Assert.That(File.ReadAllText(Path.Combine(Out, "libri_train_manifest.csv")), Is.EqualTo(manifest));
        Assert.That(LibriSpeechPreparer.Run(folder["src"], Out).Converted, Is.Zero);
    }

    [Test]
    public void Run_ReportsProgress_AndCanBeCancelled()
    {
        WriteTree();
        using var source = new CancellationTokenSource();
        var seen = new List<(int, int)>();
        LibriSpeechPreparer.Run(folder["src"], Out, (done, all) => seen.Add((done, all)), source.Token);
        Assert.That(seen, Is.EqualTo(Enumerable.Range(1, 5).Select(done => (done, 5))));

        source.Cancel();
        Assert.That(() => LibriSpeechPreparer.Run(folder["src"], Out, null, source.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void Run_Faults_AreOneLineAndNameTheFile()
    {
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src"], "no such folder"));
        Directory.CreateDirectory(folder["src/other"]);
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src"], "is it an unpacked LibriSpeech?"));
        Directory.CreateDirectory(folder["src/LibriSpeech/dev-clean"]);
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src/LibriSpeech/dev-clean"], "holds no *.trans.txt"));

        WriteTree();
        folder.Write("src/LibriSpeech/dev-clean/12/3/12-3-0001.flac", FlacBytes.Make(Noise(500)));
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src/LibriSpeech/dev-clean/12/3/12-3-0001.flac"], "has no line"));
        folder.Write("src/LibriSpeech/dev-clean/12/3/12-3.trans.txt", "12-3-0000 A\n12-3-0001 B\n12-3-0002 C\n");
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src/LibriSpeech/dev-clean/12/3/12-3-0002.flac"], "no such file"));
        folder.Write("src/LibriSpeech/dev-clean/12/3/12-3.trans.txt", "12-3-0000 A\n../x B\n");
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src/LibriSpeech/dev-clean/12/3/12-3.trans.txt"], "line 2"));
        folder.Write("src/LibriSpeech/dev-clean/12/3/12-3.trans.txt", "12-3-0000 A\n12-3-0001 B\n");
        folder.Write("src/LibriSpeech/dev-clean/12/3/12-3-0001.flac", FlacBytes.Make(Noise(9000))[..9000]);
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src/LibriSpeech/dev-clean/12/3/12-3-0001.flac"], "damaged or truncated"));
        File.WriteAllText(folder["file"], "");
        Assert.That(() => LibriSpeechPreparer.Run(folder["src"], folder["file"]), WavReaderTests.IsOneLine(folder["file"], "cannot be written"));
    }

    /// <summary>Followed, it may lead in a circle; passed over, its utterances would be missing.</summary>
    [Test]
    public void Run_LinkToAFolder_IsRefused()
    {
        WriteTree();
        Directory.CreateSymbolicLink(folder["src/LibriSpeech/dev-clean/14"], folder["src/LibriSpeech/test-other/13"]);
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src/LibriSpeech/dev-clean/14"], "a link to a folder"));
    }

    [Test]
    public void Run_SameUtteranceTwice_SaysSo()
    {
        WriteChapter("test-clean/1/1", ("1-1-0000", 1000));
        WriteChapter("test-other/1/1", ("1-1-0000", 1000));
        Assert.That(() => Run(), WavReaderTests.IsOneLine(folder["src/LibriSpeech/test-other/1/1/1-1-0000.flac"], "also in test-clean"));
    }

    /// <summary>The official sums are of FLAC files; that the WAV files hold their samples is what FLAC's own MD5 sum says.</summary>
    [Test]
    public void Run_GenuineLibriSpeech()
    {
        string sample = SharedData.Require("libri-sample");
        string[] digests = File.ReadAllLines(SharedData.Require("libri-text/dev-clean.flac.sha256"));
        PreparedCorpus prepared = LibriSpeechPreparer.Run(sample, Out);
        Assert.That(prepared.Splits.Select(s => (s.Name, s.Utterances)), Is.EqualTo(new[] { ("dev-clean", 2), ("test-other", 20) }));
        foreach (Utterance utterance in Corpus.Load(prepared.Manifests[0], Alphabet.English).Utterances)
        {
            string flac = Directory.GetFiles(sample, utterance.Id + ".flac", SearchOption.AllDirectories).Single();
            string digest = TestArchives.Digest(File.ReadAllBytes(flac));
            Assert.That(digests, Has.One.Matches<string>(line => line.StartsWith(digest, StringComparison.Ordinal) && line.EndsWith(utterance.Id + ".flac", StringComparison.Ordinal)));
            ReadOnlyMemory<byte> samples = WavWriter.DataOf(File.ReadAllBytes(utterance.AudioPath))!.Value;
            var md5 = BinaryPrimitives.ReadUInt128BigEndian(CryptographicOperations.HashData(HashAlgorithmName.MD5, samples.Span));
            Assert.That(md5, Is.EqualTo(FlacHeader.TryRead(flac)!.Value.Md5));
        }
    }

    private PreparedCorpus Run() => LibriSpeechPreparer.Run(folder["src"], Out);
}
