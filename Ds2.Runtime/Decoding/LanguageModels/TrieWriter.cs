namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Packs sorted n-grams into the bytes of a compiled model.</summary>
internal sealed unsafe class TrieWriter(NGramModel model, NGramList[] orders, TrieBuilder.Level[] levels, int[] words, int[] ids)
{
    /// <summary>The codes of the two zeros among back-offs: of a context that no n-gram begins with, and of one that some do.</summary>
    private const int NoExtension = 0, NoCost = 1, FirstBackOff = 2;

    /// <summary>Writes everything.</summary>
    /// <param name="bits">Bits of a probability or back-off: 8 or 32.</param>
    /// <param name="hasUnknown">Whether the model itself knew an unknown word.</param>
    /// <param name="begin">The number of the word that begins a sentence.</param>
    /// <param name="end">The number of the word that ends one.</param>
    /// <param name="progress">Hears how far it is.</param>
    public LanguageModel Write(int bits, bool hasUnknown, int begin, int end, IWorkProgress progress)
    {
        var layout = new ModelLayout(bits, [.. orders.Select(list => (long)list.Count)], model.Words.Bytes);
        var image = new ModelImage(layout.Length);
        layout.Write(image.Span(0, ModelLayout.HeaderBytes), hasUnknown, begin, end);
        WriteWords(layout, image);
        WriteUnigrams(layout, image);
        using (IWorkItem work = progress.Begin("packing n-grams", orders.Skip(1).Sum(list => (long)list.Count), WorkUnit.Items))
        {
            for (int n = 2; n <= orders.Length; n++)
                WriteLevel(layout, image, n, work);
        }
        return new LanguageModel(image, layout, hasUnknown, begin, end);
    }

    private void WriteWords(ModelLayout layout, ModelImage image)
    {
        var hashes = (uint*)(image.Data + layout.Hashes);
        var starts = (uint*)(image.Data + layout.WordStarts);
        uint at = 0;
        for (int id = 0; id < words.Length; id++)
        {
            ReadOnlySpan<byte> word = model.Words[words[id]];
            hashes[id] = WordHash.Short(word);
            starts[id] = at;
            word.CopyTo(image.Span(layout.Words + at, word.Length));
            at += (uint)word.Length;
        }
        starts[words.Length] = at;
    }

    private void WriteUnigrams(ModelLayout layout, ModelImage image)
    {
        var unigrams = (ModelLayout.Unigram*)(image.Data + layout.Unigrams);
        TrieBuilder.Level level = levels[1];
        NGramList list = orders[0];
        ReadOnlySpan<int> listed = list.WordsAt(0);
        for (int i = 0; i < list.Count; i++)
        {
            int id = ids[listed[i]];
            unigrams[id] = new(list.Probabilities[i], Marked(list.BackOffs[i], level.Extends[id]), level.Children.Length > 0 ? level.Children[id] : 0);
        }
        unigrams[list.Count] = new(0, 0, level.Children.Length > 0 ? level.Children[^1] : 0);
    }

    private void WriteLevel(ModelLayout layout, ModelImage image, int n, IWorkItem work)
    {
        NGramList list = orders[n - 1];
        TrieBuilder.Level level = levels[n];
        bool highest = n == orders.Length;
        Quantizer? probabilities = null, backOffs = null;
        if (layout.Bits == 8)
        {
            var tables = (float*)(image.Data + layout.Table(n));
            probabilities = Quantized(list.Probabilities.ToArray(), 256);
            for (int i = 0; i < probabilities.Values.Length; i++)
                tables[i] = probabilities.Values[i];
            if (!highest)
            {
                backOffs = Quantized(NotZero(list.BackOffs), 256 - FirstBackOff);
                tables[256 + NoExtension] = -0f;
                for (int i = 0; i < backOffs.Values.Length; i++)
                    tables[256 + FirstBackOff + i] = backOffs.Values[i];
            }
        }
        byte* data = image.Data + layout.Level(n);
        int childAt = layout.WordBits + 2 * layout.Bits;
        long bit = 0;
        var tally = new Tally(work);
        for (int i = 0; i < list.Count; i++, bit += layout.RecordBits(n))
        {
            tally.Add();
            float probability = list.Probabilities[level.Source[i]], backOff = list.BackOffs[level.Source[i]];
            BitField.Write(data, bit, (uint)level.Words[i]);
            BitField.Write(data, bit + layout.WordBits, probabilities is null ? BitConverter.SingleToUInt32Bits(probability) : (uint)probabilities.Code(probability));
            if (highest)
                continue;
            float marked = Marked(backOff, level.Extends[i]);
            uint code = backOffs is null ? BitConverter.SingleToUInt32Bits(marked)
                : backOff != 0 ? (uint)(FirstBackOff + backOffs.Code(backOff))
                : level.Extends[i] ? NoCost : (uint)NoExtension;
            BitField.Write(data, bit + layout.WordBits + layout.Bits, code);
            BitField.Write(data, bit + childAt, level.Children[i]);
        }
        tally.Tell();
        if (!highest)
            BitField.Write(data, bit + childAt, level.Children[list.Count]);
    }

    private static Quantizer Quantized(float[] samples, int most)
    {
        long bytes = 12L * samples.Length;
        var quantizer = new Quantizer(samples, most);
        samples = [];
        Garbage.Collect(bytes);
        return quantizer;
    }

    private static float[] NotZero(ReadOnlySpan<float> values)
    {
        int count = 0;
        foreach (float value in values)
            count += value != 0 ? 1 : 0;
        var some = new float[count];
        foreach (float value in values)
        {
            if (value != 0)
                some[^count--] = value;
        }
        return some;
    }

    /// <summary>The back-off weight, its zero negative where the context is of no use.</summary>
    private static float Marked(float backOff, bool extends) => backOff != 0 ? backOff : extends ? 0f : -0f;
}
