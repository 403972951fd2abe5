using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>How many words of a language model can be heard at all: those that an alphabet writes letter by letter as the model does. Where these are few, the model's case or language is another.</summary>
/// <param name="Words">How many words were looked at.</param>
/// <param name="Foreign">How many of them the alphabet does not write so.</param>
/// <param name="Example">One of those; empty where there are none.</param>
/// <param name="Written">What the alphabet makes of <paramref name="Example"/>.</param>
public sealed record VocabularyFit(int Words, int Foreign, string Example, string Written)
{
    /// <summary>Words are numbered by their hashes, so that some of them, evenly spread, are a fair sample of a large vocabulary.</summary>
    private const int Sample = 10_000;

    /// <summary>Names, numbers and foreign words are a part of any text; nine tenths are not.</summary>
    private const double TooMany = 0.9;

    /// <summary>Whether hardly any word can be heard.</summary>
    public bool IsWrong => Foreign > TooMany * Words;

    /// <summary>Compares a vocabulary with an alphabet.</summary>
    /// <param name="model">The language model.</param>
    /// <param name="alphabet">The labels of what is to be decoded.</param>
    public static VocabularyFit Of(LanguageModel model, Alphabet alphabet)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(alphabet);
        bool spaces = alphabet.Space >= 0;
        int words = 0, foreign = 0;
        string example = "", made = "";
        int count = (int)model.Count(1), step = Math.Max(1, count / Sample);
        for (int id = 1; id < count; id += step)
        {
            // <s> and the like are never heard.
            string word = model.Word(id);
            if (word.StartsWith('<') && word.EndsWith('>'))
                continue;
            words++;
            string written = alphabet.Decode(alphabet.Encode(word));
            if (spaces ? written == word : alphabet.LabelOf(word) > 0)
                continue;
            if (foreign++ == 0)
                (example, made) = (word, written);
        }
        return new VocabularyFit(words, foreign, example, made);
    }
}
