using System.Formats.Tar;
using System.Net;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.LibriSpeech;
using Ds2.Runtime.Data.LibriSpeech.Dataset;
using Ds2.Runtime.Data.LibriSpeech.Download;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data.Download;

/// <summary>Downloads from a server that does right, and from servers that do not.</summary>
public sealed class LibriSpeechDownloadTests
{
    private TempFolder folder = null!;
    private TestArchives archives = null!;

    [SetUp]
    public void MakeArchives()
    {
        Sounds.RequireSndFile();
        folder = new TempFolder();
        archives = TestArchives.Noise();
    }

    [TearDown]
    public void RemoveFolder() => folder?.Dispose();

    private string Target => folder["data"];

    /// <summary>What an undisturbed download gives.</summary>
    private string Undisturbed()
    {
        using var server = new LoopbackServer(archives.Files);
        Download(server, folder["undisturbed"]);
        return FolderBytes.Of(folder["undisturbed"]);
    }

    private IReadOnlyList<PreparedSplit> Download(LoopbackServer server, string? target = null, Func<DownloadOptions, DownloadOptions>? change = null)
    {
        var options = new DownloadOptions(target ?? Target, server.Address, archives.All)
        {
            Timeout = TimeSpan.FromSeconds(5),
            RetryDelay = TimeSpan.FromMilliseconds(1),
            Retries = 3,
        };
        return LibriSpeechDownload.RunAsync(change?.Invoke(options) ?? options).GetAwaiter().GetResult();
    }

    [Test]
    public void Run_MakesADatasetThatVerifies()
    {
        using var server = new LoopbackServer(archives.Files);
        IReadOnlyList<PreparedSplit> splits = Download(server);
        Assert.That(splits.Select(s => (s.Name, s.Utterances)), Is.EquivalentTo(new[] { ("train-clean-100", 4), ("dev-clean", 4), ("test-other", 4) }));
        Corpus corpus = Corpus.Load(Path.Combine(Target, "libri_train_manifest.csv"), Alphabet.English);
        Assert.That(corpus.Utterances, Has.Count.EqualTo(4));
        Assert.That(corpus.Utterances[0].Text, Is.EqualTo("IT'S NUMBER A"));
        Assert.That(AudioFile.Read(corpus.Utterances[0].AudioPath), Is.EqualTo(Sounds.Shorts(Sounds.Noise(2000, 0.5, 10)).Select(s => s / 32768f).ToArray()));
        Assert.That(Path.Combine(Target, LibriSpeechDownload.WorkFolder), Does.Not.Exist, "archives and FLAC files go");
        Assert.That(DatasetVerifier.Verify(Target), Is.Empty);
        Assert.That(ChecksumList.TryRead(Target)!.Archives, Is.EqualTo(archives.All.ToDictionary(a => a.Name, a => a.Digest)));
        Assert.That(File.ReadAllText(Path.Combine(Target, ChecksumList.FileName)), Does.Not.Contain(Target));
    }

    [Test]
    public void Run_Again_AsksForNothing()
    {
        using var server = new LoopbackServer(archives.Files);
        Download(server);
        int gets = server.Gets.Count;
        Assert.That(Download(server), Is.Empty);
        Assert.That(server.Gets, Has.Count.EqualTo(gets));
    }

    /// <summary>Splits may come one by one, in any order: the bytes in the end are the same.</summary>
    [Test]
    public void Run_SplitBySplit_GivesTheSameBytes()
    {
        using var server = new LoopbackServer(archives.Files);
        foreach (LibriSpeechArchive archive in archives.All.Reverse())
            Download(server, change: options => options with { Archives = [archive] });
        Assert.That(FolderBytes.Of(Target), Is.EqualTo(Undisturbed()));
    }

    [Test]
    public void Run_RestoresWhatIsMissing()
    {
        using var server = new LoopbackServer(archives.Files);
        Download(server);
        File.Delete(Path.Combine(Target, "val/wav/20-1-0002.wav"));
        File.Delete(Path.Combine(Target, "libri_test_manifest.csv"));
        Assert.That(Download(server).Select(split => (split.Name, split.Converted)), Is.EqualTo(new[] { ("dev-clean", 1) }));
        Assert.That(FolderBytes.Of(Target), Is.EqualTo(Undisturbed()));
    }

    private static readonly Dictionary<string, Func<ServerRequest, ServerAnswer>> Passing = new()
    {
        ["short bodies"] = request => request.Number < 3 ? new() { Limit = 1000 } : ServerAnswer.Right,
        ["short bodies whose length only HEAD knows"] = request => request is { Method: "GET", Number: < 3 } ? new() { Limit = 1000, NoLength = true } : ServerAnswer.Right,
        ["no lengths at all"] = _ => new() { NoLength = true },
        ["ranges ignored"] = request => new() { IgnoreRange = true, Limit = request.Number < 3 ? 1000 + 500 * request.Number : long.MaxValue },
        ["a server that hangs"] = request => request.Number < 2 ? new() { Limit = 1000, Hang = true } : ServerAnswer.Right,
        ["500 at first"] = request => request.Number < 2 ? new() { Status = HttpStatusCode.InternalServerError } : ServerAnswer.Right,
        ["429 at first"] = request => request.Number < 2 ? new() { Status = HttpStatusCode.TooManyRequests } : ServerAnswer.Right,
        ["HEAD refused"] = request => request.Method == "HEAD" ? new() { Status = HttpStatusCode.MethodNotAllowed } : ServerAnswer.Right,
        ["HEAD hangs"] = request => request.Method == "HEAD" ? new() { Hang = true, Status = HttpStatusCode.ServiceUnavailable } : ServerAnswer.Right,
    };

    [TestCaseSource(nameof(PassingFaults))]
    public void Run_PassingFault_IsOvercome(string fault)
    {
        using var server = new LoopbackServer(archives.Files, Passing[fault]);
        Download(server, change: options => options with { Timeout = TimeSpan.FromSeconds(0.5) });
        Assert.That(FolderBytes.Of(Target), Is.EqualTo(Undisturbed()));
    }

    private static IEnumerable<string> PassingFaults => Passing.Keys;

    [Test]
    public void Run_ResumesWhereItWas()
    {
        using (var server = new LoopbackServer(archives.Files, _ => new() { Limit = 1000, Hang = true }))
        {
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(0.5));
            Assert.That(
                async () => await LibriSpeechDownload.RunAsync(new DownloadOptions(Target, server.Address, archives.All), cancellation: soon.Token),
                Throws.InstanceOf<OperationCanceledException>());
        }
        using var again = new LoopbackServer(archives.Files);
        Download(again);
        Assert.That(again.Gets.Select(get => get.From), Is.All.EqualTo(1000));
        Assert.That(FolderBytes.Of(Target), Is.EqualTo(Undisturbed()));
    }

    [TestCase(HttpStatusCode.NotFound, typeof(InputException), 1)]
    [TestCase(HttpStatusCode.Forbidden, typeof(InputException), 1)]
    [TestCase(HttpStatusCode.BadGateway, typeof(HttpRequestException), 4)]
    public void Run_OneArchiveRefused_TheOthersAreDone(HttpStatusCode status, Type exception, int gets)
    {
        using var server = new LoopbackServer(archives.Files, request => request.Name.StartsWith("dev", StringComparison.Ordinal) ? new() { Status = status } : ServerAnswer.Right);
        Exception fault = Assert.Throws(exception, () => Download(server))!;
        Assert.That(fault.Message, Does.Contain($"{server.Address}/dev-clean.tar.gz").And.Contain($"{(int)status}").And.Not.Contain("\n"));
        Assert.That(server.Gets.Count(get => get.Name == "dev-clean.tar.gz"), Is.EqualTo(gets));
        Assert.That(ChecksumList.TryRead(Target)!.Archives.Keys, Is.EqualTo(new[] { "test-other.tar.gz", "train-clean-100.tar.gz" }));
        using var mended = new LoopbackServer(archives.Files);
        Download(mended);
        Assert.That(FolderBytes.Of(Target), Is.EqualTo(Undisturbed()));
    }

    [Test]
    public void Run_ServerGone_SaysSo()
    {
        var gone = new LoopbackServer(archives.Files);
        gone.Dispose();
        Assert.That(() => Download(gone), Throws.InstanceOf<HttpRequestException>().With.Message.Contains("given up after 3 retries"));
    }

    /// <summary>A flipped bit, or another file: named, the others done, and what was fetched is not trusted by the next run.</summary>
    [Test]
    public void Run_WrongDigest_NamesTheArchive()
    {
        using var server = new LoopbackServer(archives.Files, request =>
            request is { Name: "dev-clean.tar.gz" } ? new() { Change = bytes => [.. bytes[..^100], (byte)(bytes[^100] ^ 1), .. bytes[^99..]] } : ServerAnswer.Right);
        Assert.That(() => Download(server), WavReaderTests.IsOneLine($"{server.Address}/dev-clean.tar.gz", "SHA-256"));
        Assert.That(ChecksumList.TryRead(Target)!.Archives, Has.Count.EqualTo(2));
        using var mended = new LoopbackServer(archives.Files);
        Download(mended);
        Assert.That(FolderBytes.Of(Target), Is.EqualTo(Undisturbed()));
    }

    /// <summary>The archive in its place was right once; a disk that changed it since is found while unpacking.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void Run_ArchiveDamagedOnDisk_IsFetchedAgain(bool truncated)
    {
        byte[] bytes = [.. archives.Files["dev-clean.tar.gz"]];
        bytes[bytes.Length / 2] ^= 4;
        folder.Write("data/download/dev-clean.tar.gz", truncated ? bytes[..(bytes.Length / 2)] : bytes);
        using var server = new LoopbackServer(archives.Files);
        Assert.That(() => Download(server), WavReaderTests.IsOneLine(Path.Combine(Target, "download/dev-clean.tar.gz"), ""));
        Download(server);
        Assert.That(FolderBytes.Of(Target), Is.EqualTo(Undisturbed()));
    }

    /// <summary>Whatever an earlier run left: a part with another content, longer than the file, a half unpacked or half converted split.</summary>
    [Test]
    public void Run_HalfDone_IsNotTrusted()
    {
        folder.Write("data/download/dev-clean.tar.gz.partial", new byte[700]);
        folder.Write("data/download/test-other.tar.gz.partial", new byte[archives.Files["test-other.tar.gz"].Length + 5]);
        folder.Write("data/download/LibriSpeech/train-clean-100.partial/10/1/10-1-0000.flac", "half");
        folder.Write("data/download/LibriSpeech/train-clean-100/10/1/10-1-0009.flac", "from another archive");
        folder.Write("data/val/wav/20-1-0000.wav", WavWriter.Encode(new float[2000]));
        folder.Write("data/val/txt/20-1-0000.txt", "SOMETHING ELSE");
        folder.Write("data/val/wav/20-1-0000.wav.partial", "half");
        using var server = new LoopbackServer(archives.Files);
        Download(server);
        File.Delete(Path.Combine(Target, "val/wav/20-1-0000.wav.partial"));
        Assert.That(FolderBytes.Of(Target), Is.EqualTo(Undisturbed()));
    }

    [Test]
    public void Run_TooLittleSpace_SaysBothNumbers_BeforeItFetches()
    {
        using var server = new LoopbackServer(archives.Files);
        Assert.That(() => Download(server, change: options => options with { FreeSpace = _ => 20_000 }), WavReaderTests.IsOneLine(Target, "are needed, 0.0 GB are available"));
        Assert.That(server.Gets, Is.Empty);
    }

    [Test]
    public void Run_TwiceAtATime_IsRefused()
    {
        using var server = new LoopbackServer(archives.Files);
        using var other = Ds2.Runtime.Files.FolderLock.Take(Path.Combine(Target, "download"), "lock", _ => { });
        Assert.That(() => Download(server), WavReaderTests.IsOneLine(Path.Combine(Target, "download"), "in use by process"));
    }

    [TestCase("../evil.txt")]
    [TestCase("LibriSpeech/dev-clean/../../../evil.txt")]
    [TestCase("/tmp/ds2-evil.txt")]
    public void Run_EntryThatLeadsOut_IsRefused(string name)
    {
        archives.Add("dev-clean", tar => TestArchives.Add(tar, name, "evil"));
        using var server = new LoopbackServer(archives.Files);
        Assert.That(() => Download(server), WavReaderTests.IsOneLine(Path.Combine(Target, "download/dev-clean.tar.gz"), "leads out"));
        Assert.That(Directory.GetFiles(folder.Path, "*evil*", SearchOption.AllDirectories), Is.Empty);
        Assert.That(File.Exists("/tmp/ds2-evil.txt"), Is.False);
    }

    [TestCase(TarEntryType.SymbolicLink)]
    [TestCase(TarEntryType.HardLink)]
    [TestCase(TarEntryType.Fifo)]
    public void Run_EntryThatIsNoFile_IsRefused(TarEntryType type)
    {
        archives.Add("dev-clean", tar =>
        {
            var entry = new PaxTarEntry(type, "LibriSpeech/dev-clean/link");
            if (type != TarEntryType.Fifo)
                entry.LinkName = "/etc/passwd";
            tar.WriteEntry(entry);
        });
        using var server = new LoopbackServer(archives.Files);
        Assert.That(() => Download(server), WavReaderTests.IsOneLine(Path.Combine(Target, "download/dev-clean.tar.gz"), "neither a file nor a folder"));
    }

    /// <summary>An archive whose sum is as listed and whose content is none.</summary>
    [Test]
    public void Run_ArchiveThatIsNone_IsNamed()
    {
        archives.Files["dev-clean.tar.gz"] = "not gzip"u8.ToArray();
        using var server = new LoopbackServer(archives.Files);
        Assert.That(() => Download(server), WavReaderTests.IsOneLine(Path.Combine(Target, "download/dev-clean.tar.gz"), "damaged"));
        Assert.That(ChecksumList.TryRead(Target)!.Archives, Has.Count.EqualTo(2));
    }

    /// <summary>A FLAC whose samples are not those of its header's sum, in an archive whose sum is right.</summary>
    [Test]
    public void Run_FlacWithWrongSamples_IsNamed_TheOthersAreDone()
    {
        byte[] flac = FlacBytes.Make(Sounds.Shorts(Sounds.Noise(3000, 0.5)));
        flac[30] ^= 1; // within the MD5 sum
        archives.Add("dev-clean", tar =>
        {
            TestArchives.Add(tar, "LibriSpeech/dev-clean/1/2/1-2-0000.flac", flac);
            TestArchives.Add(tar, "LibriSpeech/dev-clean/1/2/1-2.trans.txt", "1-2-0000 A\n");
        });
        using var server = new LoopbackServer(archives.Files);
        Assert.That(() => Download(server), WavReaderTests.IsOneLine(Path.Combine(Target, "download/LibriSpeech/dev-clean/1/2/1-2-0000.flac"), "MD5"));
        Assert.That(ChecksumList.TryRead(Target)!.Archives, Has.Count.EqualTo(2));
    }
}
