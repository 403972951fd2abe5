using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Data;

/// <summary>An index saves the reading, never a change that was made to a file.</summary>
[NonParallelizable] // one test changes an environment variable
public sealed class CorpusIndexTests
{
    private static readonly CorpusOptions Options = new() { IndexFrom = 1, FileTick = TimeSpan.Zero };

    private TempFolder folder = null!;
    private string manifest = null!;

    [SetUp]
    public void MakeFolder()
    {
        folder = new TempFolder();
        manifest = folder.WriteNoise(3200, 1600, 3200, 800);
        folder.Write("u1.txt", "  it's 5\u00e9\r\n");
    }

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void SecondReading_OpensNoFile_AndGivesTheSame()
    {
        (string[] first, int read) = Read();
        Assert.That((read, File.Exists(manifest + CorpusOptions.IndexSuffix)), Is.EqualTo((4, true)));
        DateTime written = File.GetLastWriteTimeUtc(manifest + CorpusOptions.IndexSuffix);
        (string[] second, read) = Read();
        Assert.That(read, Is.Zero);
        Assert.That(second, Is.EqualTo(first));
        Assert.That(File.GetLastWriteTimeUtc(manifest + CorpusOptions.IndexSuffix), Is.EqualTo(written), "what is still true is not written again");
    }

    [Test]
    public void ChangedFile_IsReadAgain_EvenWhereSizeAndTimeOfContentAreTheSame()
    {
        Read();
        DateTime time = File.GetLastWriteTimeUtc(folder["u2.txt"]);
        folder.Write("u2.txt", "Z");
        File.SetLastWriteTimeUtc(folder["u2.txt"], time);
        (string[] lines, int read) = Read();
        Assert.That(read, Is.EqualTo(1));
        Assert.That(lines[2], Does.Contain("u2 Z 27"));
        File.Delete(folder["u0.wav"]);
        Assert.That(() => Corpus.Load(manifest, Alphabet.English, Options), Audio.WavReaderTests.IsOneLine(folder["u0.wav"], "no such file"));
    }

    /// <summary>A second change within a tick of the clock could not be told from the first.</summary>
    [Test]
    public void JustChangedFile_IsNotTrusted()
    {
        CorpusOptions careful = Options with { FileTick = TimeSpan.FromHours(1) };
        Read(careful);
        Assert.That(Read(careful).LinesRead, Is.EqualTo(4));
    }

    [Test]
    public void ManifestChanged_KnowsWhatItKnewBlockByBlock()
    {
        string[] lines = [.. Enumerable.Range(0, 1030).Select(i => $"../{Path.GetFileName(folder.Path)}/u{i % 4}.wav,u{i % 4}.txt")];
        File.WriteAllLines(manifest, lines);
        CorpusOptions repeated = Options with { AllowRepeated = true };
        (string[] before, int all) = Read(repeated);
        Assert.That(all, Is.EqualTo(1030));
        File.WriteAllLines(manifest, [.. lines, "u0.wav,u1.txt"]);
        (string[] read, int linesRead) = Read(repeated);
        Assert.That(linesRead, Is.EqualTo(7), "the 1024 of the first block are as before");
        Assert.That(read[..1024], Is.EqualTo(before[..1024]));
        Assert.That(Read(repeated).LinesRead, Is.Zero);
        File.WriteAllLines(manifest, ["u1.wav,u0.txt", .. lines]);
        Assert.That(Read(repeated).LinesRead, Is.EqualTo(1031));
    }

    [Test]
    public void DamagedIndex_IsNone([Values(0, 9, 13, 20, 40, 70, 120, 300, -1, -40)] int place)
    {
        string[] first = Read().Lines;
        string path = manifest + CorpusOptions.IndexSuffix;
        byte[] whole = File.ReadAllBytes(path);
        byte[] damaged = [.. whole];
        damaged[place < 0 ? damaged.Length + place : place] ^= 0x10;
        foreach (byte[] bad in new[] { damaged, whole[..(whole.Length / 2)], [.. whole, 0], [] })
        {
            File.WriteAllBytes(path, bad);
            (string[] lines, int read) = Read();
            Assert.That(lines, Is.EqualTo(first));
            Assert.That(read, Is.EqualTo(4));
            Assert.That(File.ReadAllBytes(path), Is.EqualTo(whole), "and it is written anew");
        }
    }

    [Test]
    public void OtherAlphabet_ReadsTheTextsAsTheyAreWritten()
    {
        Read();
        var german = new Alphabet(["_", .. "abcdefghijklmnopqrstuvwxyz\u00e9'5 ".Select(c => c.ToString())]);
        var reader = new CorpusReader(manifest, new TextNormalization(german), Options, CancellationToken.None);
        UtteranceTable table = reader.Read();
        Assert.That((reader.LinesRead, table.Text(1)), Is.EqualTo((0, "it's 5\u00e9")));
        Assert.That(german.Decode(table.Labels(1)), Is.EqualTo("it's 5\u00e9"));
    }

    [Test]
    public void NowhereBesideTheManifest_GoesToTheUsersCache_OrSaysSo()
    {
        string? before = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        try
        {
            Environment.SetEnvironmentVariable("XDG_CACHE_HOME", folder["cache"]);
            Directory.CreateDirectory(manifest + CorpusOptions.IndexSuffix + ".partial"); // no file can be written there
            Read();
            Assert.That(Directory.GetFiles(folder["cache/ds2"]), Has.Length.EqualTo(1));
            Assert.That(Read().LinesRead, Is.Zero);

            Directory.Delete(folder["cache"], recursive: true);
            folder.Write("cache", "a file in its place");
            var notes = new Notes();
            Read(Options with { Progress = notes });
            Assert.That(notes.Lines, Has.Count.EqualTo(1));
            Assert.That(notes.Lines[0], Does.Contain(folder["cache"]).And.Contain("cannot be written"));
        }
        finally
        {
            Environment.SetEnvironmentVariable("XDG_CACHE_HOME", before);
        }
    }

    [Test]
    public void SmallCorpus_GetsNone()
    {
        Read(new CorpusOptions());
        Assert.That(Directory.GetFiles(folder.Path, "*" + CorpusOptions.IndexSuffix), Is.Empty);
    }

    private (string[] Lines, int LinesRead) Read(CorpusOptions? options = null)
    {
        var reader = new CorpusReader(manifest, new TextNormalization(Alphabet.English), options ?? Options, CancellationToken.None);
        UtteranceTable table = reader.Read();
        return ([.. table.Select(u => $"{u.Id} {u.Text} {string.Join('.', u.Labels)} {u.LabelCount} {u.AudioPath} {u.TextPath} {u.Recording}"), .. reader.Characters.ForeignCharacters.Select(c => c.Name)],
            reader.LinesRead);
    }

    private sealed class Notes : IWorkProgress
    {
        public List<string> Lines { get; } = [];

        public IWorkItem Begin(string what, long? total, WorkUnit unit) => NoProgress.Instance;

        public void Note(string line) => Lines.Add(line);
    }
}
