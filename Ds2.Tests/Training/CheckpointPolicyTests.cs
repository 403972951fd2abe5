using Ds2.Runtime.Training;
using Ds2.Tests.Data;

namespace Ds2.Tests.Training;

/// <summary>Which checkpoints a run's folder holds. Here a file's content says whose it is.</summary>
public sealed class CheckpointPolicyTests
{
    private readonly List<string> notes = [];
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        notes.Clear();
        folder = new TempFolder();
    }

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    private CheckpointPolicy Policy => new(folder.Path, TimeSpan.Zero, Keep: 3);

    /// <summary>A run that goes back to epoch 2 and trains two more, with three to be kept: what it gave up is never one of them, nor lost.</summary>
    [Test]
    public void SetAbandonedAside_EpochsGivenUp_AreNotAmongThoseToCome()
    {
        for (int epochs = 1; epochs <= 5; epochs++)
            folder.Write(Path.GetFileName(Policy.AfterEpoch(epochs)), "old");
        Policy.SetAbandonedAside(2, _ => false, notes.Add);
        for (int epochs = 3; epochs <= 4; epochs++)
        {
            folder.Write(Path.GetFileName(Policy.AfterEpoch(epochs)), "new");
            Policy.RemoveOld(epochs);
        }

        Assert.That(Files(), Is.EqualTo(new[]
        {
            "epoch-0002.safetensors: old", "epoch-0003-abandoned.safetensors: old", "epoch-0003.safetensors: new", "epoch-0004-abandoned.safetensors: old", "epoch-0004.safetensors: new",
            "epoch-0005-abandoned.safetensors: old",
        }));
        Assert.That(notes.Single(), Does.Contain("epoch-0003.safetensors is epoch-0003-abandoned.safetensors now, epoch-0004.safetensors is epoch-0004-abandoned.safetensors now, epoch-0005"));
    }

    /// <summary>Of several lines that were left, none knows which was the better one: all stay, as it is with the best.</summary>
    [Test]
    public void SetAbandonedAside_Again_LosesNone()
    {
        foreach (string line in new[] { "first", "second", "third" })
        {
            folder.Write("epoch-0003.safetensors", line);
            Policy.SetAbandonedAside(2, _ => false, notes.Add);
        }

        Assert.That(Files(), Is.EquivalentTo(new[]
        {
            "epoch-0003-abandoned.safetensors: first", "epoch-0003-abandoned-2.safetensors: second", "epoch-0003-abandoned-3.safetensors: third",
        }));
        Assert.That(notes[^1], Does.Contain("epoch-0003.safetensors is epoch-0003-abandoned-3.safetensors now"));
        Assert.That(Policy.Newest(), Is.Null);
    }

    /// <summary>A run that goes on from what was set aside stands behind epochs of the line that it leaves: the next to be kept would have had them deleted.</summary>
    [Test]
    public void SetAbandonedAside_EarlierEpochsOfAnotherLine_AreSetAsideToo()
    {
        foreach ((int epochs, string line) in new[] { (1, "both"), (2, "other"), (3, "other"), (4, "other") })
            folder.Write(Path.GetFileName(Policy.AfterEpoch(epochs)), line);
        folder.Write("epoch-0003-abandoned.safetensors", "own");
        Policy.SetAbandonedAside(3, path => File.ReadAllText(path) == "other", notes.Add);
        Policy.RemoveOld(6);
        Assert.That(Files(), Is.EquivalentTo(new[]
        {
            "epoch-0002-abandoned.safetensors: other", "epoch-0003-abandoned.safetensors: own", "epoch-0003-abandoned-2.safetensors: other", "epoch-0004-abandoned.safetensors: other",
        }));
    }

    [Test]
    public void SetAbandonedAside_NothingGivenUp_SaysNothing()
    {
        folder.Write("epoch-0002.safetensors", "old");
        Policy.SetAbandonedAside(2, _ => false, notes.Add);
        (Policy with { Folder = folder["none"] }).SetAbandonedAside(0, _ => false, notes.Add);
        Assert.That(Files(), Is.EqualTo(new[] { "epoch-0002.safetensors: old" }));
        Assert.That(notes, Is.Empty);
    }

    /// <summary>Where the latest is gone, nobody is to go on from what was given up, though it be the newest file.</summary>
    [Test]
    public void Newest_LatestGone_IsNoneThatWasSetAside()
    {
        File.SetLastWriteTimeUtc(folder.Write("epoch-0002.safetensors", "new"), DateTime.UtcNow.AddHours(-1));
        folder.Write("epoch-0003-abandoned.safetensors", "old");
        Assert.That(Policy.Newest(), Is.EqualTo(Policy.AfterEpoch(2)));
        File.Delete(Policy.AfterEpoch(2));
        Assert.That(Policy.Newest(), Is.Null);
    }

    private string[] Files() => [.. Directory.GetFiles(folder.Path).Order(StringComparer.Ordinal).Select(path => $"{Path.GetFileName(path)}: {File.ReadAllText(path)}")];
}
