using System.Text;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>A back-off model as lists: what an ARPA file says, and what estimation makes.</summary>
/// <param name="Words">The words.</param>
/// <param name="Orders">The n-grams, single words first.</param>
internal sealed record NGramModel(WordTable Words, NGramList[] Orders)
{
    /// <summary>The highest order of any model.</summary>
    public const int MostOrders = 6;

    /// <summary>The word that stands for all others.</summary>
    public static ReadOnlySpan<byte> Unknown => "<unk>"u8;

    /// <summary>The context in which a sentence begins.</summary>
    public static ReadOnlySpan<byte> Begin => "<s>"u8;

    /// <summary>The end of a sentence, which is predicted like a word.</summary>
    public static ReadOnlySpan<byte> End => "</s>"u8;

    /// <summary>An n-gram as text.</summary>
    public string Text(ReadOnlySpan<int> ngram)
    {
        var text = new StringBuilder();
        foreach (int word in ngram)
            text.Append(text.Length > 0 ? " " : "").Append(Words.Text(word));
        return text.ToString();
    }
}
