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
        Policy.SetAbandonedAside(2, notes.Add);
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
        Assert.That(notes.Single(), Does.Contain("epoch-0003.safetensors, epoch-0004.safetensors, epoch-0005.safetensors end in -abandoned.safetensors"));
    }

    /// <summary>Of two lines that were left, the later one's stay, as it is with the best.</summary>
    [Test]
    public void SetAbandonedAside_Again_ReplacesTheEarlierOnes()
    {
        foreach (string line in new[] { "first", "second" })
        {
            folder.Write("epoch-0003.safetensors", line);
            Policy.SetAbandonedAside(2, notes.Add);
        }

        Assert.That(Files(), Is.EqualTo(new[] { "epoch-0003-abandoned.safetensors: second" }));
    }

    [Test]
    public void SetAbandonedAside_NothingGivenUp_SaysNothing()
    {
        folder.Write("epoch-0002.safetensors", "old");
        Policy.SetAbandonedAside(2, notes.Add);
        (Policy with { Folder = folder["none"] }).SetAbandonedAside(0, notes.Add);
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
