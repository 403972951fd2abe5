using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data;

/// <summary>A corpus of noise that a test writes for itself.</summary>
internal static class ManifestFolder
{
    /// <summary>Writes u0.wav, u1.wav, … of the given lengths with texts A, B, …, and a manifest, whose path is returned.</summary>
    public static string WriteNoise(this TempFolder folder, params int[] samples)
    {
        for (int i = 0; i < samples.Length; i++)
        {
            WavWriter.Write(folder[$"u{i}.wav"], Sounds.Noise(samples[i], 0.3, i + 1));
            folder.Write($"u{i}.txt", ((char)('A' + i % 26)).ToString());
        }
        return folder.Write("manifest.csv", string.Concat(samples.Select((_, i) => $"u{i}.wav,u{i}.txt\n")));
    }

    public static Corpus LoadNoise(this TempFolder folder, params int[] samples) => Corpus.Load(folder.WriteNoise(samples), Alphabet.English);
}
