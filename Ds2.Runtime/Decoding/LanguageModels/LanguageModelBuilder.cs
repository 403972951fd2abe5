namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Makes language models: of text, and of one form another.</summary>
public static class LanguageModelBuilder
{
    /// <summary>More words than this are refused: in memory they take more than most machines have, and a program that sorts on disk does it.</summary>
    private const long MostWords = 500_000_000;

    /// <summary>What text would take to estimate a model of.</summary>
    /// <param name="Sentences">Its lines.</param>
    /// <param name="Words">Its words.</param>
    /// <param name="Bytes">The memory needed at most.</param>
    public readonly record struct Need(long Sentences, long Words, long Bytes);

    /// <summary>Reads through text files, and says what a model of them takes.</summary>
    /// <param name="texts">UTF-8 files, gzip or not, a sentence a line.</param>
    /// <param name="options">How it will be estimated.</param>
    /// <exception cref="InputException">A file cannot be read, there are no words, more than can be sorted in memory, or the machine has less memory than is needed.</exception>
    public static Need Measure(IReadOnlyList<string> texts, EstimationOptions options)
    {
        options.Validate();
        (long sentences, long words) = TextTokens.Count(texts);
        string names = texts.Count == 1 ? texts[0] : $"{texts[0]} and {texts.Count - 1} more";
        if (words == 0)
            throw new InputException($"{names}: has no words");
        const string advice = "texts of a billion words are the job of KenLM's lmplz, which sorts on disk: its ARPA file is read here";
        if (words + 2 * sentences > MostWords)
            throw new InputException($"{names}: {words} words are more than are estimated in memory; {advice}");
        long bytes = NGramCounts.MemoryNeeded(words + 2 * sentences, options.Order), has = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return bytes <= has
            ? new Need(sentences, words, bytes)
            : throw new InputException($"{names}: needs up to {bytes / 1e9:F1} GB of memory, and there are {has / 1e9:F1}; take a lower order or less text; {advice}");
    }

    /// <summary>Estimates a model and writes it.</summary>
    /// <param name="texts">The files that were measured.</param>
    /// <param name="need">What <see cref="Measure"/> found.</param>
    /// <param name="options">How it is estimated.</param>
    /// <param name="path">Where to: an ARPA file if it ends in .arpa or .arpa.gz, else the compiled form.</param>
    /// <param name="bits">Bits of a probability or back-off in the compiled form: 8 or 32.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <returns>N-grams of each order.</returns>
    /// <exception cref="InputException">A file cannot be read, or discounts cannot be computed from it.</exception>
    /// <exception cref="IOException">The model cannot be written.</exception>
    public static IReadOnlyList<long> Build(IReadOnlyList<string> texts, Need need, EstimationOptions options, string path, int bits, IWorkProgress progress)
    {
        TextTokens text = TextTokens.Read(texts, need.Sentences, need.Words, progress);
        if (text.Skipped > 0)
            progress.Note($"<s>, </s> and <unk> are no words of text: {text.Skipped} were left out");
        NGramModel model = KneserNey.Estimate(text, options, progress);
        long[] counts = [.. model.Orders.Select(list => (long)list.Count)];
        bool compressed = path.EndsWith(".arpa.gz", StringComparison.OrdinalIgnoreCase);
        if (compressed || path.EndsWith(".arpa", StringComparison.OrdinalIgnoreCase))
        {
            Files.AtomicFile.Write(path, stream => ArpaWriter.Write(model, stream, compressed, progress));
            return counts;
        }
        using LanguageModel compiled = LanguageModel.Compile(model, bits, path);
        Files.AtomicFile.Write(path, stream => compiled.WriteTo(stream, progress));
        return counts;
    }

    /// <summary>Compiles an ARPA file.</summary>
    /// <param name="arpa">The ARPA file, gzip or not.</param>
    /// <param name="path">The compiled file.</param>
    /// <param name="bits">Bits of a probability or back-off: 8 or 32.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <returns>The n-grams of each order that the file holds, and its bytes.</returns>
    /// <exception cref="InputException">The ARPA file cannot be read, or a line is wrong.</exception>
    /// <exception cref="IOException">The model cannot be written.</exception>
    public static (IReadOnlyList<long> Counts, long Bytes) Compile(string arpa, string path, int bits, IWorkProgress progress)
    {
        using LanguageModel model = LanguageModel.Compile(ArpaReader.Read(arpa, progress), bits, arpa);
        Files.AtomicFile.Write(path, stream => model.WriteTo(stream, progress));
        return ([.. Enumerable.Range(1, model.Order).Select(model.Count)], model.Bytes);
    }
}
