using Ds2.Runtime;
using Ds2.Runtime.Files;
using Ds2.Tests.Data;

namespace Ds2.Tests.Files;

public sealed class FolderLockTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Take_Held_NamesTheHolder()
    {
        using FolderLock held = Take("run");
        InputException fault = Assert.Throws<InputException>(() => Take("run"))!;
        Assert.That(fault.Message, Does.StartWith(folder["run"]).And.Contain("in use by").And.Not.Contain("\n"));
        if (OperatingSystem.IsLinux())
            Assert.That(fault.Message, Does.Contain($"process {Environment.ProcessId} on {Environment.MachineName}, since 20"));
    }

    [Test]
    public void Take_GivenBack_IsFree()
    {
        File.Create(folder["kept"]).Dispose();
        Take(".").Dispose();
        Assert.That(() => Take(".").Dispose(), Throws.Nothing);
        Assert.That(File.Exists(folder["kept"]), Is.True);
    }

    [Test]
    public void Dispose_NothingElseInTheFolder_LeavesNothing()
    {
        Take("run").Dispose();
        Assert.That(Directory.Exists(folder["run"]), Is.False);
    }

    [Test]
    public void Take_FolderThatIsAFile_SaysSo()
    {
        folder.Write("run", "");
        Assert.That(() => Take("run"), Throws.TypeOf<InputException>().With.Message.EndsWith("is a file, not a folder"));
    }

    /// <summary>Taken, found empty and taken away again by many at once: at no time do two hold it.</summary>
    [Test]
    public void Take_ByMany_IsHeldByOne()
    {
        int holders = 0, most = 0, taken = 0;
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            try
            {
                using FolderLock held = Take("run");
                int now = Interlocked.Increment(ref holders);
                Interlocked.Increment(ref taken);
                if (now > 1)
                    Interlocked.Exchange(ref most, now);
                Thread.Yield();
                Interlocked.Decrement(ref holders);
            }
            catch (InputException)
            {
                // refused
            }
        });
        Assert.That(taken, Is.Positive);
        Assert.That(most, Is.Zero);
    }

    [Test]
    public void TakeUnused_ByManyAtOnce_GivesEachAFolder()
    {
        FolderLock[] all = [.. Enumerable.Range(0, 12).AsParallel().WithDegreeOfParallelism(12).Select(_ => FolderLock.TakeUnused(folder["run"], FolderLock.RunFile, Assert.Fail))];
        Assert.That(all.Select(held => Path.GetFileName(held.Folder)), Is.Unique.And.Contains("run").And.Contains("run-2"));
        foreach (FolderLock held in all)
            held.Dispose();
    }

    private FolderLock Take(string name) => FolderLock.Take(folder[name], FolderLock.RunFile, Assert.Fail);
}
