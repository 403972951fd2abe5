using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Data;

/// <summary>What a corpus of hundreds of thousands of utterances asks for, shown on some thousands; <c>Ds2.Bench corpus</c> measures the whole.</summary>
[NonParallelizable] // counts the memory of the process
public sealed class LargeCorpusTests
{
    private const int Lines = 20_000;

    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        folder = new TempFolder();
        folder.WriteNoise(1600);
        // Names and texts as long as LibriSpeech's.
        Directory.CreateDirectory(folder["train/103/1240"]);
        File.Move(folder["u0.wav"], folder["train/103/1240/103-1240-0000.wav"]);
        folder.Write("train/103/1240/103-1240-0000.txt", string.Concat(Enumerable.Repeat("WORD SHORT ", 17))[..185]);
        folder.Write("many.csv", string.Concat(Enumerable.Repeat("train/103/1240/103-1240-0000.wav,train/103/1240/103-1240-0000.txt\n", Lines)));
    }

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Corpus_TakesThreeHundredBytesAnUtterance()
    {
        var options = new CorpusOptions { AllowRepeated = true };
        Corpus.Load(folder["many.csv"], Alphabet.English, options);
        GC.Collect();
        GC.WaitForPendingFinalizers(); // what earlier tests left must not go while this one counts
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var corpus = Corpus.Load(folder["many.csv"], Alphabet.English, options);
        long bytes = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.That(corpus.Utterances, Has.Count.EqualTo(Lines));
        Assert.That((double)bytes / Lines, Is.InRange(1, 300));
        GC.KeepAlive(corpus);
    }

    [Test]
    public void Load_SpeaksWithinASecond_AndEndsWithinALine()
    {
        using var interruption = new CancellationTokenSource();
        var progress = new InterruptingProgress(interruption);
        Assert.That(
            () => Corpus.Load(folder["many.csv"], Alphabet.English, new CorpusOptions { AllowRepeated = true, Progress = progress, Moment = TimeSpan.Zero }, interruption.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(progress.What, Is.EqualTo("reading many.csv: 20000"));
        Assert.That(progress.Ended, Is.True);
        Assert.That(progress.Done, Is.InRange(100, 19_999));
        Assert.That(progress.After, Is.LessThanOrEqualTo(Environment.ProcessorCount * 4), "each thread finishes its line");
    }

    /// <summary>Cancels after a hundred lines.</summary>
    private sealed class InterruptingProgress(CancellationTokenSource interruption) : IWorkProgress, IWorkItem
    {
        public string What { get; private set; } = "";

        public int Done { get; private set; }

        public int After { get; private set; }

        public bool Ended { get; private set; }

        public IWorkItem Begin(string what, long? total, WorkUnit unit)
        {
            What = $"{what}: {total}";
            return this;
        }

        public void Note(string line)
        {
        }

        public void Advance(long amount, bool worked = true)
        {
            // Not from the hundredth line on: between that and the cancellation the thread may be set aside, and the others go on.
            if (interruption.IsCancellationRequested)
                After++;
            if (++Done == 100)
                interruption.Cancel();
        }

        public void Dispose() => Ended = true;
    }
}
