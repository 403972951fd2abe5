namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>How well a model predicts a text, as KenLM's <c>query</c> reports it: each line is a sentence, and its end is predicted too.</summary>
public sealed class Perplexity
{
    private double log10, log10Unknown;

    /// <summary>Lines.</summary>
    public long Sentences { get; private set; }

    /// <summary>Words, without the ends of sentences.</summary>
    public long Words { get; private set; }

    /// <summary>Words that the model does not have.</summary>
    public long UnknownWords { get; private set; }

    /// <summary>Everything that was predicted: words and ends of sentences.</summary>
    public long Tokens => Words + Sentences;

    /// <summary>log10 p of the text, unknown words with the probability that the model gives an unknown word.</summary>
    public double Log10Probability => log10;

    /// <summary>10^(-log10 p / tokens).</summary>
    public double IncludingUnknown => Math.Pow(10, -log10 / Tokens);

    /// <summary>The same without the unknown words themselves; they still stand in the contexts of those after them.</summary>
    public double ExcludingUnknown => Math.Pow(10, -(log10 - log10Unknown) / (Tokens - UnknownWords));

    /// <summary>Scores text files.</summary>
    /// <param name="model">The model.</param>
    /// <param name="paths">UTF-8, gzip or not, a sentence a line; - for standard input.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <exception cref="InputException">A file cannot be read or is not UTF-8, or there is nothing in any.</exception>
    public static Perplexity Of(LanguageModel model, IReadOnlyList<string> paths, IWorkProgress progress)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(progress);
        var perplexity = new Perplexity();
        foreach (string path in paths)
            TextTokens.Read(path, progress, line => perplexity.Add(model, line));
        return perplexity.Sentences > 0 ? perplexity : throw new InputException($"{paths[0]}: is empty");
    }

    private void Add(LanguageModel model, ReadOnlySpan<byte> line)
    {
        LanguageState state = model.Begin;
        for (ReadOnlySpan<byte> word = TextTokens.Next(ref line); !word.IsEmpty; word = TextTokens.Next(ref line))
        {
            int id = model.WordId(word);
            float score = model.Score(state, id, out state);
            log10 += score;
            Words++;
            if (id == 0)
            {
                UnknownWords++;
                log10Unknown += score;
            }
        }
        log10 += model.End(state);
        Sentences++;
    }
}
