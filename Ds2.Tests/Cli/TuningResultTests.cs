using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;
using Ds2.Tests.Data;
using Ds2.Train.Commands;

namespace Ds2.Tests.Cli;

/// <summary>What <c>lm tune</c> advises.</summary>
public sealed class TuningResultTests
{
    /// <summary>A, a space, and what may be A or B, A a little likelier: only a model knows that B follows A.</summary>
    [Test]
    public void Advice_WhereTheModelHelps_IsTheOptionsToPaste()
    {
        using var folder = new TempFolder();
        var letters = new Alphabet(["_", "A", "B", " "]);
        float[] logits = [0, 9, 0, 0, 9, 0, 0, 0, 0, 0, 0, 9, 0, 4.5f, 4, 0, 9, 0, 0, 0];
        using LanguageModel model = LanguageModel.Open(folder.Write(
            "my model.arpa", "\\data\\\nngram 1=5\nngram 2=2\n\n\\1-grams:\n-99\t<s>\t0\n-0.9\t</s>\t0\n-0.5\tA\t-1\n-0.5\tB\t0\n-3\t<unk>\t0\n\n\\2-grams:\n-0.1\tA B\n-2\tA A\n\n\\end\\\n"));
        var tuner = new FusionTuner(letters, model, null, [(logits, "A B")]);
        var options = new BeamOptions { Width = 10 };
        var result = new TuningResult(Rates(50), tuner.RatesOf(options, withModel: false), tuner.Run(options), Unknown: 0);
        Assert.That(result.Note, Is.Null);
        BeamOptions best = result.Best.Options;
        Assert.That(result.Advice(folder["my model.arpa"], [("--beam", "10"), ("--hotwords", "it's.txt")]),
            Is.EqualTo(FormattableString.Invariant($"use: --lm '{folder["my model.arpa"]}' --alpha {best.Alpha} --beta {best.Beta} --beam 10 --hotwords 'it'\\''s.txt'")));
    }

    [TestCase(50, 40, 40, "the language model does not help; beam search alone does: use --beam 20 without --lm")]
    [TestCase(40, 50, 50, "greedy is better than all of these: use none of these options")]
    [TestCase(40, 50, 40, "nothing is better than greedy: use none of these options")]
    public void Advice_WhereItDoesNot_SaysWhatDoes(int greedy, int plain, int best, string expected)
    {
        var result = new TuningResult(Rates(greedy), Rates(plain), new FusionTrial(new BeamOptions { Width = 20 }, Rates(best)), Unknown: 0);
        Assert.That((result.Note, result.Advice("words.lm", [])), Is.EqualTo((expected, expected)));
    }

    /// <summary>So many words of a hundred wrong.</summary>
    private static ErrorRates Rates(int wrong)
    {
        var rates = new ErrorRates();
        rates.Add(string.Join(' ', Enumerable.Repeat("A", 100)), string.Join(' ', Enumerable.Range(0, 100).Select(i => i < wrong ? "B" : "A")));
        return rates;
    }
}
