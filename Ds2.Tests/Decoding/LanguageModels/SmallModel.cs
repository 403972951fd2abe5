using System.Globalization;
using System.Text;

namespace Ds2.Tests.Decoding.LanguageModels;

/// <summary>A back-off model small enough for the definition: dictionaries, written as an ARPA file and asked by Katz's formula.</summary>
internal sealed class SmallModel
{
    private readonly Dictionary<string, (double Probability, double BackOff)> ngrams = [];

    public int Order { get; private set; }

    public IEnumerable<string> Words => ngrams.Keys.Where(key => !key.Contains(' '));

    /// <summary>Makes a model of random n-grams whose parts are all there, with <c>&lt;s&gt;</c>, <c>&lt;/s&gt;</c> and, if asked for, <c>&lt;unk&gt;</c>.</summary>
    public static SmallModel Random(int order, int words, int perOrder, bool unknown, int seed)
    {
        var random = new Random(seed);
        var model = new SmallModel { Order = order };
        List<string> vocabulary = [.. Enumerable.Range(0, words).Select(i => $"wörd{i}")];
        foreach (string word in (string[])[.. vocabulary, "<s>", "</s>", .. unknown ? (string[])["<unk>"] : []])
            model.Add(word, -4 * random.NextDouble(), word == "</s>" ? 0 : -random.NextDouble());
        for (int n = 2; n <= order; n++)
        {
            for (int i = 0; i < perOrder; i++)
            {
                string[] text = [.. Enumerable.Range(0, n).Select(_ => vocabulary[random.Next(words)])];
                if (random.Next(3) == 0)
                    text[0] = "<s>";
                if (random.Next(4) == 0)
                    text[^1] = "</s>";

                // Its parts, as estimation would have them.
                for (int length = 2; length <= n; length++)
                {
                    for (int from = 0; from + length <= n; from++)
                        model.Add(string.Join(' ', text[from..(from + length)]), -4 * random.NextDouble(), random.Next(3) == 0 ? 0 : random.NextDouble() - 0.9);
                }
            }
        }
        return model;
    }

    public void Add(string ngram, double probability, double backOff)
    {
        int n = ngram.Count(character => character == ' ') + 1;
        Order = Math.Max(n, Order);
        ngrams.TryAdd(ngram, (float)probability is var p && n == 1 ? (p, (float)backOff) : ((float)probability, n == Order ? 0 : (float)backOff));
    }

    public void Remove(string ngram) => ngrams.Remove(ngram);

    public IEnumerable<string> OfOrder(int n) => ngrams.Keys.Where(key => key.Split(' ').Length == n);

    public string Arpa()
    {
        var text = new StringBuilder("\\data\\\n");
        for (int n = 1; n <= Order; n++)
            text.Append(CultureInfo.InvariantCulture, $"ngram {n}={OfOrder(n).Count()}\n");
        for (int n = 1; n <= Order; n++)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n\\{n}-grams:\n");
            foreach (string ngram in OfOrder(n))
            {
                (double probability, double backOff) = ngrams[ngram];
                text.Append(CultureInfo.InvariantCulture, $"{(float)probability:R}\t{ngram}{(n == Order ? "" : $"\t{(float)backOff:R}")}\n");
            }
        }
        return text.Append("\n\\end\\\n").ToString();
    }

    /// <summary>log10 p of the last of the words, after the others, by the definition.</summary>
    public double Score(ReadOnlySpan<string> words)
    {
        string[] known = [.. words.ToArray().Select(word => ngrams.ContainsKey(word) ? word : "<unk>")];
        double backOff = 0;
        for (int from = Math.Max(0, known.Length - Order); from < known.Length; from++)
        {
            if (ngrams.TryGetValue(string.Join(' ', known[from..]), out var found))
                return backOff + found.Probability;
            if (ngrams.TryGetValue(string.Join(' ', known[from..^1]), out var context))
                backOff += context.BackOff;
        }
        return backOff - 100;
    }
}
