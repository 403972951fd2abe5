using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

/// <summary>Logits as a trained model has them: mostly blank, a label now and then, some of them in doubt.</summary>
internal static class Speech
{
    public static float[] Logits(Random random, int frames, Alphabet alphabet)
    {
        var logits = new float[frames * alphabet.Size];
        for (int t = 0; t < frames; t++)
        {
            Span<float> row = logits.AsSpan(t * alphabet.Size, alphabet.Size);
            foreach (ref float logit in row)
                logit = (float)(random.NextDouble() * 4 - 2);
            row[random.Next(3) < 2 ? 0 : random.Next(alphabet.Size)] += 8;
            if (random.Next(4) == 0)
                row[random.Next(alphabet.Size)] += 7;
        }

        return logits;
    }
}
