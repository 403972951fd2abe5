using Ds2.Runtime.Text;

namespace Ds2.Bench.Decoding;

/// <summary>Made-up logits of a text, as a trained model has them: a frame or two a letter and blanks between, most of them certain, some in doubt between two letters, or whether a word ends.</summary>
internal static class SpelledText
{
    /// <summary>[T, C] for a text.</summary>
    public static float[] Logits(Random random, string text, Alphabet alphabet)
    {
        var logits = new List<float>();
        int space = alphabet.Encode("A ")[1];
        foreach (int label in alphabet.Encode(text))
        {
            Frame(label, random.Next(4) == 0 ? 2 + random.Next(alphabet.Size - 2) : -1, 1 + (float)random.NextDouble() * 6);
            for (int blanks = random.Next(4) + 1; blanks > 0; blanks--)
                Frame(0, random.Next(12) == 0 ? space : random.Next(8) == 0 ? label : -1, 2 + (float)random.NextDouble() * 6);
        }

        return [.. logits];

        void Frame(int likely, int rival, float lead)
        {
            int from = logits.Count;
            for (int c = 0; c < alphabet.Size; c++)
                logits.Add((float)(random.NextDouble() * 5 - 2.5));
            logits[from + likely] += 11;
            if (rival >= 0 && rival != likely)
                logits[from + rival] = logits[from + likely] - lead;
        }
    }
}
