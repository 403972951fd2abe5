using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Decoding.LanguageModels;

namespace Ds2.Bench.LanguageModels;

/// <summary><c>lm</c>: a model of 5 million n-grams over 200,000 words, made of made-up text; how long it takes to make, open and ask, and how large it is.</summary>
internal static class LanguageModelCommand
{
    private const int Rounds = 5, Asked = 1_000_000;

    public static Command Create()
    {
        var words = new Option<int>("--words") { Description = "the vocabulary", DefaultValueFactory = _ => 200_000, HelpName = "N" }.AtLeastOne();
        var tokens = new Option<int>("--tokens") { Description = "words of the text that the model is estimated from", DefaultValueFactory = _ => 2_900_000, HelpName = "N" }.AtLeastOne();
        var order = new Option<int>("--order") { Description = "words of the longest n-grams", DefaultValueFactory = _ => 3, HelpName = "N" };
        var folder = new Option<string>("--folder") { Description = "where text and models are made and stay; a model that is there is used", Required = true, HelpName = "DIR" };
        var command = new Command("lm", "Size and speed of language models.") { words, tokens, order, folder };
        command.SetAction(parsed => Run(parsed.GetValue(words), parsed.GetValue(tokens), parsed.GetValue(order), parsed.GetRequiredValue(folder)));
        return command;
    }

    private static int Run(int wordCount, int tokens, int order, string folder)
    {
        Directory.CreateDirectory(folder);
        string text = Path.Combine(folder, "zipf.txt"), unseen = Path.Combine(folder, "zipf-unseen.txt"), arpa = Path.Combine(folder, "zipf.arpa");
        if (!File.Exists(arpa))
        {
            string[] words = ZipfText.Words(wordCount);
            ZipfText.Write(text, words, tokens, seed: 2);
            ZipfText.Write(unseen, words, Math.Max(tokens / 10, wordCount), seed: 3);
            var options = new EstimationOptions(order, [], EstimationOptions.UsualFallback);
            long start = Stopwatch.GetTimestamp();
            TextTokens read = LanguageModelBuilder.Read([text], options, arpa, 32, NoProgress.Instance);
            long said = LanguageModelBuilder.MemoryNeeded(read, options, arpa, 32);
            LanguageModelBuilder.Build(read, options, arpa, 32, NoProgress.Instance);
            Row("estimated and written", $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s; at most {said / 1e9:F2} GB said; {Process.GetCurrentProcess().PeakWorkingSet64 / 1e9:F2} GB taken");
        }
        string[] asked = [.. File.ReadLines(unseen).SelectMany(line => line.Split(' ').Append("</s>")).Take(Asked)];
        Console.WriteLine(arpa);
        Measure(arpa, asked);
        foreach (int bits in new[] { 32, 8 })
        {
            string compiled = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"zipf.{bits}.lm"));
            LanguageModelBuilder.Compile(arpa, compiled, bits, NoProgress.Instance);
            Console.WriteLine(compiled);
            Measure(compiled, asked);
        }
        return 0;
    }

    private static void Measure(string path, string[] asked)
    {
        long start = Stopwatch.GetTimestamp();
        using LanguageModel model = LanguageModel.Open(path);
        Row("opened in", $"{Stopwatch.GetElapsedTime(start).TotalMilliseconds:F1} ms");
        long ngrams = Enumerable.Range(1, model.Order).Sum(model.Count);
        Row("size", $"{model.Bytes} bytes, {(double)model.Bytes / ngrams:F2} an n-gram of {ngrams}");
        var ids = new int[asked.Length];
        Row("a word's number", $"{NanosecondsEach(asked.Length, () => Find(model, asked, ids)):F0} ns");
        Row("a word's score", $"{NanosecondsEach(ids.Length, () => Score(model, ids)):F0} ns, words of unseen text one after the other");
        var random = new Random(4);
        int[] others = [.. ids.Select(_ => ids[random.Next(ids.Length)])];
        LanguageState[] states = States(model, ids);
        Row("the same", $"{NanosecondsEach(ids.Length, () => Ask(model, states, others)):F0} ns, a word by chance after any of their states");
        long before = GC.GetAllocatedBytesForCurrentThread();
        Score(model, ids);
        long garbage = GC.GetAllocatedBytesForCurrentThread() - before;
        Row("garbage", $"{garbage} bytes in {ids.Length} scores");
    }

    private static double NanosecondsEach(int count, Action action)
    {
        action();
        return Enumerable.Range(0, Rounds).Select(_ =>
        {
            long start = Stopwatch.GetTimestamp();
            action();
            return Stopwatch.GetElapsedTime(start).TotalNanoseconds / count;
        }).Median();
    }

    private static void Find(LanguageModel model, string[] asked, int[] ids)
    {
        for (int i = 0; i < asked.Length; i++)
            ids[i] = model.WordId(asked[i]);
    }

    private static float Score(LanguageModel model, int[] ids)
    {
        int end = model.WordId("</s>");
        LanguageState state = model.Begin;
        float sum = 0;
        foreach (int id in ids)
        {
            sum += model.Score(state, id, out state);
            if (id == end)
                state = model.Begin;
        }
        return sum;
    }

    private static float Ask(LanguageModel model, LanguageState[] states, int[] ids)
    {
        float sum = 0;
        for (int i = 0; i < ids.Length; i++)
            sum += model.Score(states[i], ids[i], out _);
        return sum;
    }

    private static LanguageState[] States(LanguageModel model, int[] ids)
    {
        var states = new LanguageState[ids.Length];
        LanguageState state = model.Begin;
        for (int i = 0; i < ids.Length; i++)
        {
            model.Score(state, ids[i], out state);
            states[i] = state;
        }
        return states;
    }

    private static void Row(string name, FormattableString value) => Console.WriteLine($"  {name,-22} {value.ToString(CultureInfo.InvariantCulture)}");
}
