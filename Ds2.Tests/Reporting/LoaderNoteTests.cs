using Ds2.Runtime.Training;
using Ds2.Train.Reporting;

namespace Ds2.Tests.Reporting;

public sealed class LoaderNoteTests
{
    /// <summary>Of the time that the host engine takes, a fifth is worth a word; and one is enough.</summary>
    [TestCase(0.1, 0)]
    [TestCase(0.3, 1)]
    public void Note_WhereTheLoaderTakesAFifth_Once(double share, int lines)
    {
        var written = new List<string>();
        using var note = new LoaderNote(3, written.Add);
        for (int batch = 0; batch < 200; batch++)
        {
            // The first ones wait long in any run.
            double load = batch < 5 ? 10 : share;
            note.OnBatch(new BatchReport(0, batch + 1, 200, 1, 1, 0.1, 0, 10, 1 + (batch < 5 ? 10 : 0), load, null));
        }
        Assert.That(written, Has.Count.EqualTo(lines));
        Assert.That(written, Has.All.StartWith("the loader limits: 30 % of 50 batches' time").And.All.Contain("--loaders than 3").And.All.Contain("--feature-cache"));
    }

    [Test]
    public void Loaders_AreChosenByNumber_AndChangeNoBit()
    {
        using var run = new TinyRun();
        run.Train("one", "--epochs", "1", "--loaders", "1");
        run.Train("five", "--epochs", "1", "--loaders", "5");
        Assert.That(File.ReadAllBytes(run["five/latest.safetensors"]).AsSpan()[^4096..].SequenceEqual(File.ReadAllBytes(run["one/latest.safetensors"]).AsSpan()[^4096..]), Is.True);
        (int code, string output, string error) = Cli.Program.Run("evaluate", "--checkpoint", run["one/latest.safetensors"], "--manifest", run.Corpus.Manifest, "--device", "host", "--loaders", "3");
        Assert.That((code, error), Is.EqualTo((0, "")), output);
        (int bad, string why) = run.TryTrain("none", "--loaders", "-1");
        Assert.That((bad, why.Contains("--loaders must be at least 0", StringComparison.Ordinal)), Is.EqualTo((2, true)), why);
    }
}
