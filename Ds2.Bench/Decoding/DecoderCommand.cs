using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Ds2.Bench.LanguageModels;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;

namespace Ds2.Bench.Decoding;

/// <summary><c>decoder</c>: how many seconds of speech a second one core decodes.</summary>
internal static class DecoderCommand
{
    /// <summary>Output frames a second of the model: 10 ms a frame, and a convolution that takes every other.</summary>
    private const double FramesPerSecond = 50;
    private const int HotWordCount = 200, Sentences = 60, WordsOfSentence = 15;

    public static Command Create()
    {
        Option<string?> checkpoint = RealLogits.Checkpoint(required: false), manifest = RealLogits.Manifest(required: false);
        var lm = new Option<string>("--lm") { Description = "the language model: that of the command lm, for instance", Required = true, HelpName = "FILE" };
        var beam = new Option<int>("--beam") { Description = "prefixes", DefaultValueFactory = _ => new BeamOptions().Width, HelpName = "N" };
        var rounds = new Option<int>("--rounds") { Description = "how often each decoder decodes all, in turns", DefaultValueFactory = _ => 7, HelpName = "N" };
        var command = new Command("decoder", "Greedy and beam search on one core, in turns; medians. On a model's logits (--checkpoint, --manifest), else on made-up ones.") { checkpoint, manifest, lm, beam, rounds };
        command.SetAction(parsed => Run(parsed.GetValue(checkpoint), parsed.GetValue(manifest), parsed.GetRequiredValue(lm), parsed.GetValue(beam), parsed.GetValue(rounds)));
        return command;
    }

    private static int Run(string? checkpoint, string? manifest, string lm, int width, int rounds)
    {
        string[] words = ZipfText.Words(200_000);
        (Alphabet alphabet, IReadOnlyList<float[]> utterances) = checkpoint is not null && manifest is not null && RealLogits.Of(checkpoint, manifest) is var real
            ? (real.Alphabet, real.Utterances)
            : (Alphabet.English, MadeUp(words));
        double seconds = utterances.Sum(logits => logits.Length / alphabet.Size) / FramesPerSecond;
        Console.WriteLine(Invariant($"{utterances.Count} utterances, {seconds:F0} s, {(checkpoint is null ? "made-up logits of made-up words" : $"logits of {checkpoint} on {manifest}")}, beam {width}, one core"));
        using LanguageModel model = LanguageModel.Open(lm);

        // As names and terms are, of five letters and more: half of them words, half phrases of two.
        string[] rare = [.. words.Where(word => word.Length >= 5)];
        var hot = new HotWords(alphabet, Enumerable.Range(0, HotWordCount).Select(i => new HotWord(i % 2 == 0 ? rare[20 * i] : $"{rare[20 * i]} {rare[i]}", HotWords.DefaultBoost)));
        var options = new BeamOptions { Width = width };
        var greedy = new GreedyDecoder(alphabet);
        (string Name, Action<float[]> Decode)[] decoders =
        [
            ("greedy", logits => greedy.Decode(logits, logits.Length / alphabet.Size, 1, [logits.Length / alphabet.Size])),
            ("beam", Of(new BeamDecoder(alphabet, options))),
            ($"beam, {HotWordCount} hot words", Of(new BeamDecoder(alphabet, options, null, hot))),
            ("beam with the model", Of(new BeamDecoder(alphabet, options, model))),
            ($"the same, {HotWordCount} hot words", Of(new BeamDecoder(alphabet, options, model, hot))),
        ];
        var times = decoders.Select(_ => new List<double>()).ToArray();
        var garbage = new long[decoders.Length];
        for (int round = -1; round < rounds; round++)
        {
            for (int i = 0; i < decoders.Length; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
                foreach (float[] logits in utterances)
                    decoders[i].Decode(logits);
                if (round >= 0)
                    times[i].Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
                garbage[i] = GC.GetAllocatedBytesForCurrentThread() - before;
            }
        }

        for (int i = 0; i < decoders.Length; i++)
        {
            double median = times[i].Median();
            Console.WriteLine(Invariant($"  {decoders[i].Name,-28} {seconds / median,9:F0} times real time, {1e6 * median / (seconds * FramesPerSecond),7:F2} us a frame, {garbage[i] / seconds,7:F0} bytes of garbage a second of speech"));
        }

        // In turns: the ratio of each round, which a busy machine moves less than the times.
        Console.WriteLine(Invariant($"  hot words with the model: {100 * (times[4].Zip(times[3], (with, without) => with / without).Median() - 1):F1} % more time"));
        return 0;

        Action<float[]> Of(BeamDecoder decoder) => logits => decoder.Best(logits, logits.Length / alphabet.Size, 1);
    }

    private static float[][] MadeUp(string[] words)
    {
        var random = new Random(6);
        return [.. Enumerable.Range(0, Sentences).Select(_ => SpelledText.Logits(
            random, string.Join(' ', Enumerable.Range(0, WordsOfSentence).Select(_ => words[(int)Math.Pow(words.Length, random.NextDouble()) - 1])), Alphabet.English))];
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
