using System.Diagnostics;
using Ds2.Runtime.Data.LibriSpeech;
using Ds2.Runtime.Data.LibriSpeech.Dataset;
using Ds2.Tests.Audio;
using Ds2.Tests.Data.Download;

namespace Ds2.Tests.Data.Dataset;

public sealed class DatasetVerifierTests
{
    private TempFolder folder = null!;

    private string Data => folder["data"];

    [SetUp]
    public void Prepare()
    {
        Sounds.RequireSndFile();
        folder = new TempFolder();
        for (int i = 0; i < 3; i++)
            folder.Write($"src/dev-clean/1/2/1-2-000{i}.flac", FlacBytes.Make(Sounds.Shorts(Sounds.Noise(900 + i, 0.5))));
        folder.Write("src/dev-clean/1/2/1-2.trans.txt", "1-2-0000 A\n1-2-0001 B\n1-2-0002 C\n");
        LibriSpeechPreparer.Run(folder["src"], Data);
    }

    [TearDown]
    public void RemoveFolder() => folder?.Dispose();

    [Test]
    public void Verify_Untouched_FindsNothing() => Assert.That(DatasetVerifier.Verify(Data), Is.Empty);

    /// <summary>Every file of the data set, the list included, at a random place each.</summary>
    [Test]
    public void Verify_FlippedByte_IsNamed()
    {
        var random = new Random(1);
        foreach (string file in Directory.GetFiles(Data, "*", SearchOption.AllDirectories))
        {
            byte[] whole = File.ReadAllBytes(file), bytes = (byte[])whole.Clone();
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(file, bytes);
            Assert.That(DatasetVerifier.Verify(Data), Is.EqualTo(new[] { new DatasetFault(DatasetFaultKind.Changed, Path.GetRelativePath(Data, file)) }));
            File.WriteAllBytes(file, whole);
        }
    }

    [Test]
    public void Verify_NamesMissingExtraAndChanged()
    {
        File.Delete(Path.Combine(Data, "val/wav/1-2-0000.wav"));
        File.AppendAllText(Path.Combine(Data, "val/txt/1-2-0001.txt"), "X");
        folder.Write("data/val/wav/1-2-0009.wav", "new");
        folder.Write("data/.hidden", "new");
        folder.Write("data/download/dev-other.tar.gz.partial", "not finished");
        Assert.That(DatasetVerifier.Verify(Data), Is.EqualTo(new DatasetFault[]
        {
            new(DatasetFaultKind.Extra, ".hidden"), new(DatasetFaultKind.Changed, "val/txt/1-2-0001.txt"),
            new(DatasetFaultKind.Missing, "val/wav/1-2-0000.wav"), new(DatasetFaultKind.Extra, "val/wav/1-2-0009.wav"),
        }));
    }

    /// <summary>A set that was moved to another disk is whole; a circle is an extra file, and not walked.</summary>
    [Test]
    public void Verify_LinksToFolders()
    {
        Directory.Move(Path.Combine(Data, "val"), folder["moved"]);
        Directory.CreateSymbolicLink(Path.Combine(Data, "val"), folder["moved"]);
        Assert.That(DatasetVerifier.Verify(Data), Is.Empty);
        Directory.CreateSymbolicLink(Path.Combine(Data, "val/up"), Data);
        Assert.That(DatasetVerifier.Verify(Data), Is.EqualTo(new DatasetFault[] { new(DatasetFaultKind.Extra, "val/up") }));
    }

    [Test]
    public void Verify_NoListOrNoFolder_SaysSo()
    {
        File.Delete(Path.Combine(Data, ChecksumList.FileName));
        Assert.That(() => DatasetVerifier.Verify(Data), WavReaderTests.IsOneLine(Data, ChecksumList.FileName));
        Assert.That(() => DatasetVerifier.Verify(folder["none"]), WavReaderTests.IsOneLine(folder["none"], "no such folder"));
    }

    /// <summary>A list whose own sum is right can still name what it should not: paths that lead out are refused.</summary>
    [TestCase("../outside")]
    [TestCase("/etc/passwd")]
    public void Verify_ListThatLeadsOut_IsDamaged(string path)
    {
        var list = new ChecksumList();
        list.Files[path] = TestArchives.Digest([]);
        list.Write(Data);
        Assert.That(DatasetVerifier.Verify(Data), Is.EqualTo(new[] { new DatasetFault(DatasetFaultKind.Changed, ChecksumList.FileName) }));
    }

    [Test]
    public void List_IsWhatSha256sumChecks()
    {
        if (!File.Exists("/usr/bin/sha256sum"))
            Assert.Ignore("needs sha256sum (coreutils)");
        using Process process = Process.Start(new ProcessStartInfo("/usr/bin/sha256sum", ["--check", "--strict", "--quiet", ChecksumList.FileName])
        {
            WorkingDirectory = Data,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        string output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, output), Is.EqualTo((0, "")));
    }
}
