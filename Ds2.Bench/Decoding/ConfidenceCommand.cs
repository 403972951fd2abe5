using System.CommandLine;
using System.Globalization;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Evaluation;

namespace Ds2.Bench.Decoding;

/// <summary><c>confidence</c>: how well words' confidences tell right words from wrong ones.</summary>
internal static class ConfidenceCommand
{
    private static readonly double[] Scales = [0.1, 0.2, 0.5, 1];

    public static Command Create()
    {
        Option<string?> checkpoint = RealLogits.Checkpoint(required: true), manifest = RealLogits.Manifest(required: true);
        var lm = new Option<string?>("--lm") { Description = "a language model", HelpName = "FILE" };
        var alpha = new Option<double>("--alpha") { CustomParser = NumberOptions.One, Description = "its weight", DefaultValueFactory = _ => new BeamOptions().Alpha, HelpName = "X" };
        var beta = new Option<double>("--beta") { CustomParser = NumberOptions.One, Description = "a word's bonus", DefaultValueFactory = _ => new BeamOptions().Beta, HelpName = "X" };
        var command = new Command("confidence", "Area under the ROC curve of 'the word is right', by the words' confidences.") { checkpoint, manifest, lm, alpha, beta };
        command.SetAction(parsed =>
        {
            RealLogits real = RealLogits.Of(parsed.GetRequiredValue(checkpoint)!, parsed.GetRequiredValue(manifest)!);
            var options = new BeamOptions { Alpha = parsed.GetValue(alpha), Beta = parsed.GetValue(beta) };
            IReadOnlyList<Hypothesis>[] plain = Lists(real, options, null);
            string[] greedy = [.. real.Transcripts.Select(transcript => transcript.Hypothesis)];
            Write("greedy text, lists of the beam", real, greedy, plain);
            Write("beam", real, [.. plain.Select(list => list[0].Text)], plain);
            if (parsed.GetValue(lm) is { } path)
            {
                using LanguageModel model = LanguageModel.Open(path);
                foreach ((string name, double? temperature) in new[] { ("beam with the model, by its doubt", (double?)null), ("beam with the model at a temperature of 1", 1) })
                {
                    IReadOnlyList<Hypothesis>[] fused = Lists(real, options with { Temperature = temperature }, model);
                    string[] texts = [.. fused.Select(list => list[0].Text)];
                    Write(name, real, texts, fused);
                    Write($"{name}, beside one without it", real, texts, fused, plain);
                }
            }

            return 0;
        });
        return command;
    }

    private static IReadOnlyList<Hypothesis>[] Lists(RealLogits real, BeamOptions options, LanguageModel? model)
    {
        var decoder = new BeamDecoder(real.Alphabet, options, model);
        return [.. real.Utterances.Select(logits => decoder.Best(logits, logits.Length / real.Alphabet.Size, options.Width))];
    }

    private static void Write(string name, RealLogits real, string[] texts, IReadOnlyList<Hypothesis>[] lists, IReadOnlyList<Hypothesis>[]? others = null)
    {
        var rates = new ErrorRates(real.Alphabet);
        for (int i = 0; i < texts.Length; i++)
            rates.Add(real.Transcripts[i].Reference, texts[i]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: WER {rates.Wer:F2} %"));
        foreach (double scale in Scales)
        {
            var words = new List<(double Confidence, bool Right)>();
            for (int i = 0; i < texts.Length; i++)
            {
                // A list of nothing but the reference gives 1 to the words that it has, at their places.
                double[] right = WordPosteriors.Of(real.Alphabet, texts[i], [new Hypothesis(real.Transcripts[i].Reference, 0, 0, 0, 0, 0, 0)]);
                double[] confidence = others is null ? WordPosteriors.Of(real.Alphabet, texts[i], lists[i], scale) : WordPosteriors.OfBoth(real.Alphabet, texts[i], lists[i], others[i], scale);
                words.AddRange(confidence.Zip(right, (sure, is1) => (sure, is1 > 0)));
            }

            double share = words.Average(word => word.Right ? 1.0 : 0), mean = words.Average(word => word.Confidence);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  scale {scale}: AUC {Auc(words):F3}; {words.Count} words, {100 * share:F1} % right, mean confidence {100 * mean:F1} %"));
        }
    }

    /// <summary>The chance that a right word has more confidence than a wrong one, equal ones counting half (Mann and Whitney).</summary>
    private static double Auc(List<(double Confidence, bool Right)> words)
    {
        double[] right = [.. words.Where(word => word.Right).Select(word => word.Confidence)], wrong = [.. words.Where(word => !word.Right).Select(word => word.Confidence)];
        return right.Length == 0 || wrong.Length == 0
            ? double.NaN
            : right.Sum(one => wrong.Sum(other => one > other ? 1.0 : one == other ? 0.5 : 0)) / right.Length / wrong.Length;
    }
}
