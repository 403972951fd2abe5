using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;
using Ds2.Tests.Data;

namespace Ds2.Tests.Evaluation;

public sealed class FusionTunerTests
{
    private const string Arpa = "\\data\\\nngram 1=5\nngram 2=2\n\n\\1-grams:\n-99\t<s>\t0\n-0.9\t</s>\t0\n-0.5\tA\t-1\n-0.5\tB\t0\n-3\t<unk>\t0\n\n\\2-grams:\n-0.1\tA B\n-2\tA A\n\n\\end\\\n";

    private static readonly Alphabet Letters = new(["_", "A", "B", " "]);

    /// <summary>A, a space, and what may be A or B, A a little likelier.</summary>
    private static float[] Doubtful => [0, 9, 0, 0, 9, 0, 0, 0, 0, 0, 0, 9, 0, 4.5f, 4, 0, 9, 0, 0, 0];

    [Test]
    public void Run_FindsWhatIsBetterThanGreedy_AndTheSameEachTime()
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "model.arpa");
        File.WriteAllText(path, Arpa);
        using LanguageModel model = LanguageModel.Open(path);
        (float[], string)[] utterances = [.. Enumerable.Repeat((Doubtful, "A B"), 8)];
        var found = new List<(double, double)>();
        for (int run = 0; run < 2; run++)
        {
            var tuner = new FusionTuner(Letters, model, null, utterances);
            int told = 0;
            Assert.That(tuner.RatesOf(new BeamOptions(), withModel: false).Wer, Is.EqualTo(50));
            FusionTrial best = tuner.Run(new BeamOptions { Width = 10 }, _ => told++);
            Assert.That(best.Rates.Wer, Is.Zero);
            Assert.That(best.Options.Width, Is.EqualTo(10));
            Assert.That(told, Is.EqualTo(tuner.Trials.Count));
            found.Add((best.Options.Alpha, best.Options.Beta));
        }

        Assert.That(found[0], Is.EqualTo(found[1]));
    }

    [Test]
    public void RatesOf_AlphabetWithoutSpace_WordsAreLabels()
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "model.arpa");
        File.WriteAllText(path, Arpa);
        using LanguageModel model = LanguageModel.Open(path);
        // A, a blank, and A again.
        float[] logits = [0, 9, 0, 9, 0, 0, 0, 9, 0];
        var tuner = new FusionTuner(new Alphabet(["_", "A", "B"]), model, null, [(logits, "A B"), (logits, "A A")]);
        Assert.That(tuner.RatesOf(new BeamOptions(), withModel: false).Wer, Is.EqualTo(25));
    }

    [Test]
    public void Run_Cancelled_Ends()
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "model.arpa");
        File.WriteAllText(path, Arpa);
        using LanguageModel model = LanguageModel.Open(path);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.That(() => new FusionTuner(Letters, model, null, [(Doubtful, "A B")]).Run(new BeamOptions(), null, cancelled.Token), Throws.InstanceOf<OperationCanceledException>());
    }
}
