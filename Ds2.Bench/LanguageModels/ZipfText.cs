using System.Text;

namespace Ds2.Bench.LanguageModels;

/// <summary>Text of made-up words that are as unevenly frequent as those of a language: the k-th most frequent has a share of 1/k (Zipf's law).</summary>
internal static class ZipfText
{
    private const int WordsOfSentence = 20;
    private static readonly string[] Onsets = ["B", "D", "F", "G", "H", "K", "L", "M", "N", "P", "R", "S", "T", "V", "ST", "TR", "SH", "PL", "W", ""];
    private static readonly string[] Nuclei = ["A", "E", "I", "O", "U", "EA", "OU"];
    private static readonly string[] Codas = ["", "", "", "N", "R", "S", "T", "LD", "NG"];

    /// <summary>The words, the most frequent, which are short, first; the same each time.</summary>
    public static string[] Words(int count)
    {
        var random = new Random(1);
        var words = new HashSet<string>(count);
        var word = new StringBuilder();
        while (words.Count < count)
        {
            word.Clear();
            for (int syllables = 1 + random.Next(2) + (int)Math.Log10(words.Count / 20 + 1); syllables > 0; syllables--)
                word.Append(Onsets[random.Next(Onsets.Length)]).Append(Nuclei[random.Next(Nuclei.Length)]).Append(Codas[random.Next(Codas.Length)]);
            words.Add(word.ToString());
        }
        return [.. words];
    }

    /// <summary>Writes sentences, each word after the others by chance; every word of the vocabulary stands there once at least.</summary>
    public static void Write(string path, string[] words, int tokens, int seed)
    {
        var random = new Random(seed);
        var shares = new double[words.Length];
        double sum = 0;
        for (int i = 0; i < words.Length; i++)
            shares[i] = sum += 1.0 / (i + 1);
        using var writer = new StreamWriter(path, append: false, new UTF8Encoding(false), 1 << 16);
        for (int i = 0; i < tokens; i++)
        {
            int drawn = i % (tokens / words.Length) == 0 && i / (tokens / words.Length) is var index && index < words.Length
                ? index
                : Array.BinarySearch(shares, random.NextDouble() * sum) is var at && at < 0 ? Math.Min(~at, words.Length - 1) : at;
            writer.Write(words[drawn]);
            writer.Write(i % WordsOfSentence == WordsOfSentence - 1 || i == tokens - 1 ? '\n' : ' ');
        }
    }
}
