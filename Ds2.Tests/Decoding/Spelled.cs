using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

/// <summary>Logits that spell texts clearly: each label for a frame and a blank after it.</summary>
internal static class Spelled
{
    /// <summary>[T, C] for a text; what is not said lies <paramref name="lead"/> below what is.</summary>
    public static float[] Logits(string text, Alphabet alphabet, float lead = 8)
    {
        int[] labels = alphabet.Encode(text);
        var logits = new float[2 * labels.Length * alphabet.Size];
        for (int i = 0; i < labels.Length; i++)
        {
            logits[2 * i * alphabet.Size + labels[i]] = lead;
            logits[(2 * i + 1) * alphabet.Size + alphabet.Blank] = lead;
        }

        return logits;
    }

    /// <summary>So many frames of silence.</summary>
    public static float[] Silence(int frames, Alphabet alphabet, float lead = 8)
    {
        var logits = new float[frames * alphabet.Size];
        for (int t = 0; t < frames; t++)
            logits[t * alphabet.Size + alphabet.Blank] = lead;
        return logits;
    }
}
