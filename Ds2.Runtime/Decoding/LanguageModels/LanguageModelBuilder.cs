using System.Globalization;
using System.Text;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Makes language models: of text, and of one form another.</summary>
public static class LanguageModelBuilder
{
    /// <summary>More words than this are refused: in memory they take more than most machines have, and a program that sorts on disk does it.</summary>
    private const long MostWords = 500_000_000;

    private const string Advice = "texts of a billion words are the job of KenLM's lmplz, which sorts on disk: its ARPA file is read here";

    /// <summary>Whether a model of this name is written as an ARPA file: the name ends in .arpa or .arpa.gz.</summary>
    public static bool IsArpa(string path) => path.EndsWith(".arpa", StringComparison.OrdinalIgnoreCase) || IsCompressed(path);

    /// <summary>The memory that it takes at most to estimate a model of a text, the program itself included, in bytes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="options">How it is estimated.</param>
    /// <param name="path">Where the model is to be written.</param>
    /// <param name="bits">Bits of a probability or back-off in the compiled form: 8 or 32.</param>
    public static long MemoryNeeded(TextTokens text, EstimationOptions options, string path, int bits)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(path);
        return EstimationMemory.Needed(text, options, IsArpa(path) ? 0 : bits);
    }

    /// <summary>Reads text, once, so that it may come through pipes.</summary>
    /// <param name="texts">UTF-8 files, gzip or not, a sentence a line; - for standard input.</param>
    /// <param name="options">How a model of it will be estimated.</param>
    /// <param name="path">Where that will be written.</param>
    /// <param name="bits">Bits of a probability or back-off in the compiled form: 8 or 32.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <exception cref="InputException">A file cannot be read or is not UTF-8, there are no words, more than can be sorted in memory, or the machine has less memory than is needed.</exception>
    public static TextTokens Read(IReadOnlyList<string> texts, EstimationOptions options, string path, int bits, IWorkProgress progress)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        string names = texts.Count == 1 ? texts[0] : $"{texts[0]} and {texts.Count - 1} more";
        TextTokens text = Collect(names, options, path, bits, text =>
        {
            foreach (string name in texts)
                text.Add(name, progress);
        });
        if (text.Skipped > 0)
            progress.Note($"<s>, </s> and <unk> are no words of text: {text.Skipped} were left out");
        return text;
    }

    /// <summary>Estimates a model of sentences that are in memory.</summary>
    /// <param name="sentences">Words with blanks between them.</param>
    /// <param name="name">What they are of, for messages.</param>
    /// <param name="options">How it is estimated.</param>
    /// <param name="bits">Bits of a probability or back-off: 8 or 32.</param>
    /// <param name="progress">Hears how far it is, and of orders whose discounts cannot be computed.</param>
    /// <returns>The model; the caller's.</returns>
    /// <exception cref="InputException">There are no words, more than can be sorted in memory, or the machine has less memory than is needed.</exception>
    public static LanguageModel Estimate(IEnumerable<string> sentences, string name, EstimationOptions options, int bits, IWorkProgress progress)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        TextTokens text = Collect(name, options, "", bits, text =>
        {
            foreach (string sentence in sentences)
                text.Add(Encoding.UTF8.GetBytes(sentence));
        });
        return LanguageModel.Compile(KneserNey.Estimate(text, options, progress), bits, name, progress);
    }

    /// <summary>Estimates a model and writes it.</summary>
    /// <param name="text">What <see cref="Read"/> read; used up.</param>
    /// <param name="options">How it is estimated.</param>
    /// <param name="path">Where to: an ARPA file if it <see cref="IsArpa"/>, else the compiled form.</param>
    /// <param name="bits">Bits of a probability or back-off in the compiled form: 8 or 32.</param>
    /// <param name="progress">Hears how far it is, and of orders whose discounts cannot be computed.</param>
    /// <returns>N-grams of each order.</returns>
    /// <exception cref="IOException">The model cannot be written.</exception>
    public static IReadOnlyList<long> Build(TextTokens text, EstimationOptions options, string path, int bits, IWorkProgress progress)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        NGramModel model = KneserNey.Estimate(text, options, progress);
        long[] counts = [.. model.Orders.Select(list => (long)list.Count)];
        Garbage.Collect(40 * counts.Sum());
        if (IsArpa(path))
        {
            Files.AtomicFile.Write(path, stream => ArpaWriter.Write(model, stream, IsCompressed(path), progress));
            return counts;
        }
        using LanguageModel compiled = LanguageModel.Compile(model, bits, path, progress);
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
        using LanguageModel model = LanguageModel.Compile(ArpaReader.Read(arpa, progress), bits, arpa, progress);
        Files.AtomicFile.Write(path, stream => model.WriteTo(stream, progress));
        return ([.. Enumerable.Range(1, model.Order).Select(model.Count)], model.Bytes);
    }

    /// <summary>Collects text, and looks now and then whether there is memory for a model of it.</summary>
    private static TextTokens Collect(string names, EstimationOptions options, string path, int bits, Action<TextTokens> add)
    {
        options.Validate();
        long has = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        var text = new TextTokens(options.Order);
        text.Grown = () => Check("and more");
        add(text);
        text.Grown = null;
        Garbage.Collect(text.Vocabulary.Memory);
        if (text.Words == 0)
            throw new InputException($"{names}: has no words");
        Check("of memory");
        return text;

        void Check(string reached)
        {
            if (text.Length > MostWords)
                throw new InputException($"{names}: {text.Length} words {reached} are more than are estimated in memory; {Advice}");
            long bytes = MemoryNeeded(text, options, path, bits);
            if (bytes > has)
                throw new InputException(string.Create(CultureInfo.InvariantCulture, $"{names}: needs {bytes / 1e9:F1} GB {reached}, and there are {has / 1e9:F1}; take a lower order or less text; {Advice}"));
        }
    }

    private static bool IsCompressed(string path) => path.EndsWith(".arpa.gz", StringComparison.OrdinalIgnoreCase);
}
