namespace Ds2.Tests.Training;

/// <summary>Tests that train a tiny model on a tiny corpus, each on its own.</summary>
public abstract class TinyRunTests
{
    private protected TinyCorpus Corpus { get; private set; } = null!;

    private protected TrainingRuns Runs { get; private set; } = null!;

    [SetUp]
    public void MakeCorpus()
    {
        Corpus = new TinyCorpus();
        Runs = new TrainingRuns(Corpus);
    }

    [TearDown]
    public void DeleteCorpus()
    {
        Runs.Dispose();
        Corpus.Dispose();
    }
}
