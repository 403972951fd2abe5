namespace Ds2.Runtime.Text;

/// <summary>The characters that the model can write, each with its label.</summary>
public sealed class Alphabet
{
    private readonly string characters;
    private readonly Dictionary<char, int> labels;

    private Alphabet(string characters)
    {
        this.characters = characters;
        labels = characters.Select((character, label) => (character, label)).Skip(1).ToDictionary(pair => pair.character, pair => pair.label);
    }

    /// <summary>29 labels: blank <c>_</c> (0), apostrophe (1), A to Z (2 to 27), space (28).</summary>
    public static Alphabet English { get; } = new("_'ABCDEFGHIJKLMNOPQRSTUVWXYZ ");

    /// <summary>The number of labels, blank included.</summary>
    public int Size => characters.Length;

    /// <summary>The label of CTC's blank.</summary>
    public int Blank => 0;

    /// <summary>A label's character; the blank's is <c>_</c>, which no text can contain.</summary>
    /// <param name="label">0 .. Size - 1.</param>
    public char this[int label] => characters[label];

    /// <summary>The labels of a text. Lower case counts as upper case; characters outside the alphabet are left out.</summary>
    /// <param name="text">Any text.</param>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var labels = new List<int>(text.Length);
        foreach (char character in text)
        {
            if (this.labels.TryGetValue(char.ToUpperInvariant(character), out int label))
                labels.Add(label);
        }
        return [.. labels];
    }

    /// <summary>The text of labels, one character each.</summary>
    /// <param name="labels">Labels, 0 .. Size - 1.</param>
    public string Decode(ReadOnlySpan<int> labels)
    {
        Span<char> text = labels.Length <= 512 ? stackalloc char[labels.Length] : new char[labels.Length];
        for (int i = 0; i < labels.Length; i++)
            text[i] = characters[labels[i]];
        return new string(text);
    }
}
