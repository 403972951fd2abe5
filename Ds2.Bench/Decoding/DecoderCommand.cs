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
        var beam = new Option<int>("--beam") { Description = "prefixes", DefaultValueFactory = _ => new BeamOptions().Width, HelpName = "N" }.AtLeastOne();
        var hotWords = new Option<string?>("--hotwords") { Description = "a list more, beside the two that are made up", HelpName = "FILE" };
        var rounds = new Option<int>("--rounds") { Description = "how often each decoder decodes all, an utterance after the other, in turns", DefaultValueFactory = _ => 7, HelpName = "N" }.AtLeastOne();
        var command = new Command("decoder", "Greedy and beam search on one core, in turns; medians. On a model's logits (--checkpoint, --manifest), else on made-up ones.") { checkpoint, manifest, lm, beam, hotWords, rounds };
        command.Validators.Add(result =>
        {
            if (result.GetValue(checkpoint) is null != result.GetValue(manifest) is null)
                result.AddError("--checkpoint and --manifest: logits are of a checkpoint on a manifest: give both, or neither for made-up ones");
        });
        command.SetAction(parsed => Run(parsed.GetValue(checkpoint), parsed.GetValue(manifest), parsed.GetRequiredValue(lm), parsed.GetValue(beam), parsed.GetValue(hotWords), parsed.GetValue(rounds)));
        return command;
    }

    private static int Run(string? checkpoint, string? manifest, string lm, int width, string? hotWords, int rounds)
    {
        string[] words = ZipfText.Words(200_000);
        (Alphabet alphabet, IReadOnlyList<float[]> utterances) = checkpoint is not null && manifest is not null && RealLogits.Of(checkpoint, manifest) is var real
            ? (real.Alphabet, real.Utterances)
            : (Alphabet.English, MadeUp(words));
        double seconds = utterances.Sum(logits => logits.Length / alphabet.Size) / FramesPerSecond;
        Console.WriteLine(Invariant($"{utterances.Count} utterances, {seconds:F0} s, {(checkpoint is null ? "made-up logits of made-up words" : $"logits of {checkpoint} on {manifest}")}, beam {width}, one core"));
        using LanguageModel model = LanguageModel.Open(lm);

        // As names and terms are, of five letters and more: half of them words, half phrases of two. And the most frequent words, many of them of two or three letters, which most prefixes begin like.
        string[] rare = [.. words.Where(word => word.Length >= 5)];
        List<(string Name, HotWords Words)> lists =
        [
            ($"{HotWordCount} names", new HotWords(alphabet, Enumerable.Range(0, HotWordCount).Select(i => new HotWord(i % 2 == 0 ? rare[20 * i] : $"{rare[20 * i]} {rare[i]}", HotWords.DefaultBoost)))),
            ($"{HotWordCount} frequent words", new HotWords(alphabet, words.Take(HotWordCount).Select(word => new HotWord(word, HotWords.DefaultBoost)))),
        ];
        if (hotWords is not null && HotWords.Load(hotWords, alphabet) is var own)
            lists.Add(($"the {own.Count} of {Path.GetFileName(hotWords)}", own));
        var options = new BeamOptions { Width = width };
        var greedy = new GreedyDecoder(alphabet);
        (string Name, Action<float[]> Decode)[] decoders =
        [
            ("greedy", logits => greedy.Decode(logits, logits.Length / alphabet.Size, 1, [logits.Length / alphabet.Size])),
            ("beam", Of(new BeamDecoder(alphabet, options))),
            .. lists.Select(list => ($"beam, {list.Name}", Of(new BeamDecoder(alphabet, options, null, list.Words)))),
            ("beam with the model, by its doubt", Of(new BeamDecoder(alphabet, options, model))),
            .. lists.Select(list => ($"the same, {list.Name}", Of(new BeamDecoder(alphabet, options, model, list.Words)))),
            ("with the model at a temperature of 1", Of(new BeamDecoder(alphabet, options with { Temperature = 1 }, model))),
        ];
        var times = decoders.Select(_ => new List<double>()).ToArray();
        var garbage = new long[decoders.Length];
        for (int round = -1; round < rounds; round++)
        {
            var sums = new double[decoders.Length];
            Array.Clear(garbage);
            foreach (float[] logits in utterances)
            {
                for (int i = 0; i < decoders.Length; i++)
                {
                    long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
                    decoders[i].Decode(logits);
                    sums[i] += Stopwatch.GetElapsedTime(start).TotalSeconds;
                    garbage[i] += GC.GetAllocatedBytesForCurrentThread() - before;
                }
            }

            for (int i = 0; round >= 0 && i < decoders.Length; i++)
                times[i].Add(sums[i]);
        }

        for (int i = 0; i < decoders.Length; i++)
        {
            double median = times[i].Median();
            Console.WriteLine(Invariant($"  {decoders[i].Name,-32} {seconds / median,9:F0} times real time, {1e6 * median / (seconds * FramesPerSecond),7:F2} us a frame, {garbage[i] / seconds,7:F0} bytes of garbage a second of speech"));
        }

        // In turns: the ratio of each round, which a busy machine moves less than the times.
        int withModel = 2 + lists.Count;
        for (int i = 0; i < lists.Count; i++)
            Console.WriteLine(Invariant($"  {lists[i].Name}: {More(2 + i, 1):F1} % more time without the model, {More(withModel + 1 + i, withModel):F1} % with it"));
        return 0;

        double More(int with, int without) => 100 * (times[with].Zip(times[without], (one, other) => one / other).Median() - 1);

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
