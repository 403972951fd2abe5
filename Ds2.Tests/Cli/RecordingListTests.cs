using System.Diagnostics;
using Ds2.Runtime;
using Ds2.Tests.Data;
using Ds2.Train.Commands.Transcription;

namespace Ds2.Tests.Cli;

/// <summary>Which recordings a command line means, and what their texts are called.</summary>
public sealed class RecordingListTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    /// <summary>By a program that can delete paths of any length.</summary>
    [TearDown]
    public void DeleteFolder()
    {
        foreach (string inner in Directory.GetDirectories(folder.Path))
        {
            using Process remove = Process.Start("rm", ["-rf", inner]);
            remove.WaitForExit();
        }
        folder.Dispose();
    }

    /// <summary>Found from different folders, by a glob, a folder or their names, with --out or without.</summary>
    [Test]
    public void TwoRecordings_NeverShareAText([Values] bool glob, [Values] bool toFolder)
    {
        Make("t/sub/x.mp3", "t/sub/x.wav", "t/x.wav", "t/sub/y.wav");
        string[] arguments = glob ? ["t/sub/*.mp3", "t/*/x.wav", "t"] : ["t/sub/x.mp3", "t/x.wav", "t/sub", "t/sub/y.wav"];
        RecordingList list = Find(toFolder ? "out" : null, arguments);
        Assert.That(list.Recordings, Has.Count.EqualTo(4));
        Assert.That(list.Recordings.Select(recording => Path.GetFullPath(recording.Target)), Is.Unique);
        Assert.That(list.Recordings.Select(recording => recording.Name), Is.Unique);
        if (!toFolder)
        {
            Assert.That(
                list.Recordings.Select(recording => Path.GetRelativePath(folder.Path, recording.Target)),
                Is.EquivalentTo(new[] { "t/sub/x.mp3", "t/sub/x.wav", "t/x", "t/sub/y" }));
        }
    }

    [Test]
    public void WhatIsNamedTwice_IsOne()
    {
        Make("a.wav");
        RecordingList list = Find(null, "a.wav", "./a.wav");
        Assert.That((list.Recordings.Count, list.AreNamed), Is.EqualTo((1, true)));
        list = RecordingList.Find(["-", "-"], null);
        Assert.That((list.Recordings.Single().Target, list.AreNamed), Is.EqualTo(("stdin", true)));
        Assert.That(Find(null, "a.wav", "*.wav").AreNamed, Is.False);
    }

    [Test]
    public void StandardInput_AndAFileOfItsName_HaveTextsOfTheirOwn()
    {
        Make("stdin.wav");
        RecordingList list = RecordingList.Find(["-", folder["stdin.wav"]], folder.Path);
        Assert.That(list.Recordings.Select(recording => recording.Target), Is.EqualTo(new[] { folder["stdin"], folder["stdin.wav"] }));
    }

    [Test]
    public void NamesThatAreOneOnSomeFileSystems_AreRefused()
    {
        Make("x.wav", "X.wav");
        if (Directory.GetFiles(folder.Path).Length < 2)
            Assert.Ignore("they are one on this file system");
        Assert.That(() => Find(null, "."), Throws.TypeOf<InputException>().With.Message.Contains("written over"));
    }

    /// <summary>A circle of links is not walked, by a folder and by a glob, and said; a link that is named is a folder like any other.</summary>
    [TestCase("t")]
    [TestCase("t/**/*.wav")]
    [TestCase("**/*.wav")]
    public void LinksToFolders_AreNotFollowed(string argument)
    {
        Make("t/a.wav", "t/sub/b.wav", "u/c.wav");
        Directory.CreateSymbolicLink(folder["t/sub/up"], "..");
        Directory.CreateSymbolicLink(folder["t/u"], folder["u"]);
        RecordingList list = Find(null, argument);
        Assert.That(list.Recordings.Select(recording => Path.GetFileName(recording.Path)), Is.EqualTo(argument[0] == 't' ? new[] { "a.wav", "b.wav" } : ["a.wav", "b.wav", "c.wav"]));
        Assert.That(list.Links.Select(link => Path.GetRelativePath(folder.Path, link)), Is.EqualTo(new[] { "t/sub/up", "t/u" }));
        Assert.That(Find(null, "t/u").Recordings, Has.Count.EqualTo(1));
    }

    /// <summary>Its path is longer than the system takes: what may not be read by its rights, root reads.</summary>
    [TestCase("t")]
    [TestCase("t/**/*.wav")]
    public void FolderThatCannotBeRead_IsSaid_AndTheOthersAreListed(string argument)
    {
        Make("t/a.wav", "t/z/b.wav");
        MakeUnreadable(folder["t"]);
        RecordingList list = Find(null, argument);
        Assert.That(list.Recordings.Select(recording => Path.GetFileName(recording.Path)), Is.EqualTo(new[] { "a.wav", "b.wav" }));
        Assert.That(list.Faults, Has.Count.EqualTo(1));
        Assert.That(list.Faults.Single(), Does.StartWith(folder["t/d"]).And.Not.Contain("\n"));
    }

    /// <summary>Makes a folder below a folder that can be made, but not listed: two paths that the system takes, one moved into the other.</summary>
    internal static void MakeUnreadable(string parent)
    {
        if (OperatingSystem.IsWindows())
            Assert.Ignore("paths have another limit there");
        string Deep(string start) => Path.Combine([start, .. Enumerable.Repeat(new string('d', 250), 9)]);
        Directory.CreateDirectory(Deep(parent));
        Directory.CreateDirectory(Deep(Path.Combine(parent, "e")));
        Directory.Move(Path.Combine(parent, "e"), Path.Combine(Deep(parent), "e"));
    }

    private RecordingList Find(string? texts, params string[] arguments) =>
        RecordingList.Find(arguments.Select(argument => Path.Combine(folder.Path, argument)), texts is null ? null : folder[texts]);

    private void Make(params string[] names)
    {
        foreach (string name in names)
            folder.Write(name, "");
    }
}
