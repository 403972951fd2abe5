using System.Runtime.CompilerServices;
using System.Text;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>A back-off n-gram model of words.</summary>
/// <remarks>
/// log10 p(w | context) is that of the longest n-gram of the model that ends the text, plus the back-off weights of the longer contexts that the model has (Katz, 1987).
/// The n-grams are a trie from the last word back, packed to the bit, as in KenLM (Heafield, KenLM: Faster and Smaller Language Model Queries, 2011). What is read
/// from an ARPA file and what is compiled and mapped is the same bytes. Queries change nothing and allocate nothing: threads may share a model.
/// </remarks>
public sealed unsafe class LanguageModel : IDisposable
{
    /// <summary>log10 p of an unknown word in a model that has no <c>&lt;unk&gt;</c>, as in KenLM.</summary>
    public const float UnknownFloor = -100;

    private const int StackBytes = 256;
    private readonly ModelImage image;
    private readonly ModelLayout layout;
    private readonly Level[] levels;
    private readonly ModelLayout.Unigram* unigrams;
    private readonly uint* hashes, wordStarts;
    private readonly byte* words;
    private readonly int count, begin, end;
    private readonly Lazy<WordPrefixes> prefixes;
    private bool disposed;

    internal LanguageModel(ModelImage image, ModelLayout layout, bool hasUnknown, int begin, int end)
    {
        this.image = image;
        this.layout = layout;
        this.begin = begin;
        this.end = end;
        HasUnknown = hasUnknown;
        count = (int)layout.Counts[0];
        byte* data = image.Data;
        hashes = (uint*)(data + layout.Hashes);
        wordStarts = (uint*)(data + layout.WordStarts);
        words = data + layout.Words;
        unigrams = (ModelLayout.Unigram*)(data + layout.Unigrams);
        levels = new Level[Order + 1];
        for (int n = 2; n <= Order; n++)
            levels[n] = new Level(layout, n, data);
        prefixes = new Lazy<WordPrefixes>(() => new WordPrefixes(Enumerable.Range(1, count - 1).Select(Word)));
        LanguageState empty = default;
        Score(empty, begin, out LanguageState after);
        Begin = after;
    }

    /// <summary>Words of the longest n-gram.</summary>
    public int Order => layout.Order;

    /// <summary>Whether the model has <c>&lt;unk&gt;</c>; else <see cref="UnknownFloor"/> stands for an unknown word.</summary>
    public bool HasUnknown { get; }

    /// <summary>What its words begin with; made when first asked for.</summary>
    internal WordPrefixes Prefixes => prefixes.Value;

    /// <summary>Bits of a probability or back-off in n-grams of two and more words: 32 for exact ones, 8 for quantised ones.</summary>
    public int Bits => layout.Bits;

    /// <summary>Bytes of the model, in memory or of its compiled file.</summary>
    public long Bytes => layout.Length;

    /// <summary>The state after <c>&lt;s&gt;</c>, in which a sentence begins.</summary>
    public LanguageState Begin { get; }

    /// <summary>Opens an ARPA file (text or gzip), which is read into memory, or a compiled one, which is mapped.</summary>
    /// <param name="path">The file, or for an ARPA file a pipe. What it is, is seen from its content.</param>
    /// <exception cref="InputException">It is missing, damaged or no model; of a wrong line of an ARPA file the number is named.</exception>
    public static LanguageModel Open(string path) => Open(path, NoProgress.Instance);

    /// <summary>The same, and tells how far it is.</summary>
    /// <param name="path">The file.</param>
    /// <param name="progress">Hears how an ARPA file is read and sorted.</param>
    /// <exception cref="InputException">It is missing, damaged or no model.</exception>
    public static LanguageModel Open(string path, IWorkProgress progress)
    {
        using var file = new PeekStream(InputFile.Open(path));
        byte[] header = InputFile.Guard(path, () => file.Peek(ModelLayout.HeaderBytes).ToArray());
        if (!header.AsSpan().StartsWith(ModelLayout.Magic))
            return Compile(ArpaReader.Read(path, file, progress), 32, path, progress);
        if (file.Total is not { } length)
            throw new InputException($"{path}: is a pipe: a compiled model is mapped into memory, which takes a file");
        if (header.Length < ModelLayout.HeaderBytes)
            throw new InputException($"{path}: truncated: {header.Length} bytes are less than a compiled model's header");
        var layout = ModelLayout.Read(path, header, length, out bool hasUnknown, out int begin, out int end);
        return new LanguageModel(ModelImage.Map(path, length), layout, hasUnknown, begin, end);
    }

    /// <summary>Makes a model that can be asked of one in lists.</summary>
    /// <param name="model">The lists; what their n-grams presuppose and lack is added to them.</param>
    /// <param name="bits">8 or 32.</param>
    /// <param name="path">For messages.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <exception cref="InputException">An n-gram stands twice, or the model has no <c>&lt;s&gt;</c> or <c>&lt;/s&gt;</c>.</exception>
    internal static LanguageModel Compile(NGramModel model, int bits, string path, IWorkProgress progress) => new TrieBuilder(model, path).Build(bits, progress);

    /// <summary>N-grams of so many words that the model holds, with those that others presuppose (an ARPA file may leave them out).</summary>
    /// <param name="order">1 to <see cref="Order"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The model has none of that order.</exception>
    public long Count(int order)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(order, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(order, Order);
        return layout.Counts[order - 1];
    }

    /// <summary>A word's number: 0 for words that the model does not have, and for <c>&lt;unk&gt;</c>.</summary>
    /// <param name="word">The word, written as in the model: neither case nor accents are changed.</param>
    public int WordId(ReadOnlySpan<char> word)
    {
        int most = Encoding.UTF8.GetMaxByteCount(word.Length);
        Span<byte> bytes = most <= StackBytes ? stackalloc byte[StackBytes] : new byte[most];
        return WordId(bytes[..Encoding.UTF8.GetBytes(word, bytes)]);
    }

    /// <summary>A word's number: 0 for words that the model does not have, and for <c>&lt;unk&gt;</c>.</summary>
    /// <param name="word">The word in UTF-8.</param>
    public int WordId(ReadOnlySpan<byte> word)
    {
        ObjectDisposedException.ThrowIf(disposed, this);

        // Hashes are spread evenly: where a word should stand follows from its own, and the search closes in on it from there.
        uint hash = WordHash.Short(word);
        long low = 1, high = count - 1, lowHash = 0, highHash = uint.MaxValue;
        while (low <= high)
        {
            long at = low + (long)((double)(hash - lowHash) / (highHash - lowHash + 1) * (high - low + 1));
            at = Math.Clamp(at, low, high);
            uint there = hashes[at];
            if (there < hash)
            {
                (low, lowHash) = (at + 1, there);
            }
            else if (there > hash)
            {
                (high, highHash) = (at - 1, there);
            }
            else
            {
                return Among(word, hash, at);
            }
        }
        return 0;
    }

    /// <summary>A word.</summary>
    /// <param name="id">Its number.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such number.</exception>
    public string Word(int id)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, count);
        return Encoding.UTF8.GetString(Utf8(id));
    }

    /// <summary>log10 p(word | state).</summary>
    /// <param name="state">What precedes it.</param>
    /// <param name="word">Its number.</param>
    /// <param name="next">The state after it; may be the same variable as <paramref name="state"/>.</param>
    /// <returns>log10 of the probability, back-off included.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such number.</exception>
    public float Score(in LanguageState state, int word, out LanguageState next)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if ((uint)word >= (uint)count)
            throw new ArgumentOutOfRangeException(nameof(word), word, $"the model has words 0 to {count - 1}");
        LanguageState context = state;
        Unsafe.SkipInit(out next);
        next.Length = 0;
        ModelLayout.Unigram* unigram = unigrams + word;
        float score = unigram->Probability;
        int order = Order, matched = 1;
        if (order > 1)
        {
            next.Words[0] = word;
            next.BackOffs[0] = unigram->BackOff;
            next.Length = MayMatter(unigram->BackOff) ? 1 : 0;
            uint from = unigram->Children, to = unigram[1].Children;
            while (matched <= context.Length)
            {
                ref readonly Level level = ref levels[matched + 1];
                long record = level.Find(from, to, (uint)context.Words[matched - 1]);
                if (record < 0)
                    break;
                score = level.Probability(record);
                matched++;
                if (matched == order)
                    break;
                float backOff = level.BackOff(record);
                next.Words[matched - 1] = context.Words[matched - 2];
                next.BackOffs[matched - 1] = backOff;
                if (MayMatter(backOff))
                    next.Length = matched;
                level.Children(record, out from, out to);
            }
        }
        for (int i = matched - 1; i < context.Length; i++)
            score += context.BackOffs[i];
        GC.KeepAlive(this);
        return score;
    }

    /// <summary>log10 p(<c>&lt;/s&gt;</c> | state): that the sentence ends here.</summary>
    /// <param name="state">What precedes the end.</param>
    public float End(in LanguageState state) => Score(state, end, out _);

    /// <inheritdoc/>
    public void Dispose()
    {
        disposed = true;
        image.Dispose();
    }

    /// <summary>Writes the compiled form: what <see cref="Open(string)"/> maps once it is a file.</summary>
    /// <param name="stream">Stays open.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void WriteTo(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        WriteTo(stream, NoProgress.Instance);
    }

    /// <summary>The same, and tells how far it is.</summary>
    internal void WriteTo(Stream stream, IWorkProgress progress)
    {
        const int block = 1 << 24;
        using IWorkItem work = progress.Begin("writing", image.Length, WorkUnit.Bytes);
        for (long offset = 0; offset < image.Length; offset += block)
        {
            int length = (int)Math.Min(block, image.Length - offset);
            stream.Write(image.Span(offset, length));
            work.Advance(length);
        }
    }

    /// <summary>Whether a context is of use: negative zero is the back-off weight of one that no n-gram of the model begins with and that costs nothing.</summary>
    private static bool MayMatter(float backOff) => BitConverter.SingleToInt32Bits(backOff) != int.MinValue;

    private int Among(ReadOnlySpan<byte> word, uint hash, long at)
    {
        while (at > 1 && hashes[at - 1] == hash)
            at--;
        for (; at < count && hashes[at] == hash; at++)
        {
            if (Utf8((int)at).SequenceEqual(word))
                return (int)at;
        }
        return 0;
    }

    private ReadOnlySpan<byte> Utf8(int id)
    {
        // Bounds hold against a file damaged behind its header: a wrong word, never a wrong address.
        long from = Math.Min(wordStarts[id], layout.WordBytes), to = Math.Clamp(wordStarts[id + 1], from, layout.WordBytes);
        return new ReadOnlySpan<byte>(words + from, (int)(to - from));
    }

    /// <summary>The records of n-grams of one length.</summary>
    private readonly struct Level(ModelLayout layout, int n, byte* image)
    {
        private readonly byte* data = image + layout.Level(n);
        private readonly float* table = layout.Bits == 8 ? (float*)(image + layout.Table(n)) : null;
        private readonly int recordBits = layout.RecordBits(n), valueBits = layout.Bits, wordBits = layout.WordBits;
        private readonly ulong wordMask = BitField.Mask(layout.WordBits), childMask = BitField.Mask(layout.ChildBits(n));
        private readonly uint count = (uint)layout.Counts[n - 1], last = (uint)layout.Counts[0] - 1;
        private readonly uint children = n < layout.Order ? (uint)layout.Counts[n] : 0;

        /// <summary>The place of the record of a word among those of [from, to), or -1.</summary>
        public long Find(uint from, uint to, uint word)
        {
            // A damaged file's ranges stay within the level.
            long low = from, high = (long)Math.Min(to, count) - 1, lowWord = 0, highWord = last;
            while (low <= high)
            {
                // Words are numbered by their hashes, so those that precede a given one are spread evenly.
                long at = low + (long)((double)(word - lowWord) / (highWord - lowWord + 1) * (high - low + 1));
                at = Math.Clamp(at, low, high);
                uint there = BitField.Read(data, at * recordBits, wordMask);
                if (there < word)
                {
                    low = at + 1;
                    lowWord = there + 1L;
                }
                else if (there > word)
                {
                    high = at - 1;
                    highWord = there - 1L;
                }
                else
                {
                    return at;
                }
                if (word < lowWord || word > highWord)
                    return -1;
            }
            return -1;
        }

        public float Probability(long record) => Value(record * recordBits + wordBits, table);

        public float BackOff(long record) => Value(record * recordBits + wordBits + valueBits, table + 256);

        public void Children(long record, out uint from, out uint to)
        {
            long bit = record * recordBits + wordBits + 2 * valueBits;
            from = Math.Min(BitField.Read(data, bit, childMask), children);
            to = BitField.Read(data, bit + recordBits, childMask);
        }

        private float Value(long bit, float* values) =>
            valueBits == 8 ? values[BitField.Read(data, bit, 0xFF)] : BitConverter.UInt32BitsToSingle(BitField.Read(data, bit, uint.MaxValue));
    }
}
