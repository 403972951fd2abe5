using Ds2.Runtime;
using Ds2.Runtime.Data.LibriSpeech;
using Ds2.Runtime.Data.LibriSpeech.Download;
using Ds2.Runtime.Files;
using Ds2.Tests.Audio;
using Ds2.Tests.Data.Download;
using Ds2.Tests.Training;

namespace Ds2.Tests.Data;

/// <summary>A disk that fills up under each kind of work: one line, nothing that was good is lost, and with room again the work goes on to the same end.</summary>
public sealed class FullDiskTests
{
    private SmallDisk disk = null!;

    [SetUp]
    public void MountDisk() => disk = new SmallDisk(megabytes: 4);

    [TearDown]
    public void UnmountDisk() => disk?.Dispose();

    /// <summary>There is enough when it starts; the disk fills when the first archive is asked for, or when it is unpacked or converted.</summary>
    [TestCase(8)]
    [TestCase(32)]
    [TestCase(72)]
    [TestCase(120)]
    public void Download_SaysSo_AndGoesOn(int freeKilobytes)
    {
        Sounds.RequireSndFile();
        TestArchives archives = TestArchives.Noise(utterances: 4, samples: 4000);
        using var folder = new TempFolder();
        bool filled = false;
        using var server = new LoopbackServer(archives.Files, request =>
        {
            if (request.Method == "GET" && !filled)
                disk.Fill(freeKilobytes * 1024);
            filled |= request.Method == "GET";
            return ServerAnswer.Right;
        });
        InputException fault = Assert.Throws<InputException>(() => Download(disk["data"], atATime: 1))!;
        Assert.That(fault.Message, Does.StartWith(disk["data"]).And.Contain("No space left").And.Not.Contain("\n"));
        disk.Empty();
        Download(disk["data"]);
        using var undisturbed = new LoopbackServer(archives.Files);
        LibriSpeechDownload.RunAsync(new DownloadOptions(folder["data"], undisturbed.Address, archives.All)).GetAwaiter().GetResult();
        Assert.That(FolderBytes.Of(disk["data"]), Is.EqualTo(FolderBytes.Of(folder["data"])));

        void Download(string target, int atATime = 3) => LibriSpeechDownload.RunAsync(
            new DownloadOptions(target, server.Address, archives.All) { AtATime = atATime, FreeSpace = _ => long.MaxValue }).GetAwaiter().GetResult();
    }

    [Test]
    public void Prepare_SaysSo_AndGoesOn()
    {
        Sounds.RequireSndFile();
        using var folder = new TempFolder();
        for (int i = 0; i < 20; i++)
            folder.Write($"src/dev-clean/1/2/1-2-{i:0000}.flac", FlacBytes.Make(Sounds.Shorts(Sounds.Noise(4000, 0.5))));
        folder.Write("src/dev-clean/1/2/1-2.trans.txt", string.Concat(Enumerable.Range(0, 20).Select(i => $"1-2-{i:0000} A\n")));
        disk.Fill(64 * 1024);
        Assert.That(() => LibriSpeechPreparer.Run(folder["src"], disk["data"]), WavReaderTests.IsOneLine(disk["data"], "No space left"));
        Assert.That(Directory.GetFiles(disk["data"], "*" + AtomicFile.PartialSuffix, SearchOption.AllDirectories), Is.Empty);
        int before = Directory.GetFiles(disk["data"], "*.wav", SearchOption.AllDirectories).Length;
        Assert.That(before, Is.InRange(1, 19));
        disk.Empty();
        Assert.That(LibriSpeechPreparer.Run(folder["src"], disk["data"]).Converted, Is.LessThanOrEqualTo(20));
        LibriSpeechPreparer.Run(folder["src"], folder["data"]);
        Assert.That(FolderBytes.Of(disk["data"]), Is.EqualTo(FolderBytes.Of(folder["data"])));
    }

    /// <summary>The checkpoint that cannot be written leaves the one before it.</summary>
    [Test]
    public void Checkpoint_SaysSo_AndTheLastOneStays()
    {
        using var corpus = new TinyCorpus();
        using var runs = new TrainingRuns(corpus);
        float[] whole = runs.Train(corpus.PathOf("whole"), epochs: 3);
        runs.Train(disk["run"], epochs: 1);
        byte[] latest = File.ReadAllBytes(disk["run/latest.safetensors"]);
        disk.Fill(4096);
        IOException fault = Assert.Throws<IOException>(() => runs.Train(disk["run"], epochs: 3))!;
        Assert.That(fault.Message, Does.Contain("No space left").And.Contain("latest.safetensors").And.Not.Contain("\n"));
        Assert.That(File.ReadAllBytes(disk["run/latest.safetensors"]), Is.EqualTo(latest));
        Assert.That(Directory.GetFiles(disk["run"], "*" + AtomicFile.PartialSuffix), Is.Empty);
        disk.Empty();
        Assert.That(runs.Train(disk["run"], epochs: 3), Is.EqualTo(whole));
    }
}
