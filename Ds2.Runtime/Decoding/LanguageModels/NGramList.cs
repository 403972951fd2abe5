namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>The n-grams of one order: their words, log10 probabilities and log10 back-offs.</summary>
internal sealed class NGramList
{
    private int[][] words;
    private float[] probabilities, backOffs;

    /// <summary>An empty list.</summary>
    /// <param name="order">Words an n-gram.</param>
    /// <param name="capacity">As many are made room for.</param>
    public NGramList(int order, int capacity)
    {
        words = new int[order][];
        for (int i = 0; i < order; i++)
            words[i] = new int[capacity];
        probabilities = new float[capacity];
        backOffs = new float[capacity];
    }

    /// <summary>Words an n-gram.</summary>
    public int Order => words.Length;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>The line of the file on which the first of them stands, the others following; 0 where they come from no file.</summary>
    public int FirstLine { get; set; }

    /// <summary>The words at a place of the n-gram, 0 the earliest, as indices into the model's <see cref="WordTable"/>.</summary>
    public ReadOnlySpan<int> WordsAt(int place) => words[place].AsSpan(0, Count);

    /// <summary>log10 p of the last word after the others; NaN where it follows from the shorter n-grams.</summary>
    public Span<float> Probabilities => probabilities.AsSpan(0, Count);

    /// <summary>log10 of the back-off weight of the n-gram as a context.</summary>
    public Span<float> BackOffs => backOffs.AsSpan(0, Count);

    /// <summary>Adds an n-gram.</summary>
    public void Add(ReadOnlySpan<int> ngram, float probability, float backOff)
    {
        if (Count == probabilities.Length)
        {
            int capacity = (int)Math.Min(Array.MaxLength, Math.Max(16, 2L * Count));
            for (int i = 0; i < words.Length; i++)
                Array.Resize(ref words[i], capacity);
            Array.Resize(ref probabilities, capacity);
            Array.Resize(ref backOffs, capacity);
        }
        for (int i = 0; i < words.Length; i++)
            words[i][Count] = ngram[i];
        probabilities[Count] = probability;
        backOffs[Count++] = backOff;
    }

    /// <summary>The n-gram's words.</summary>
    public void CopyTo(int index, Span<int> ngram)
    {
        for (int i = 0; i < words.Length; i++)
            ngram[i] = words[i][index];
    }
}
