using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Ds2.Bench.Data;

/// <summary>A corpus of as many files, folders, names and texts as LibriSpeech has, without its sound: recordings are holes behind a WAV header.</summary>
internal static class SyntheticCorpus
{
    private const int UtterancesOfChapter = 48, ChaptersOfSpeaker = 3, Rate = 16000;

    /// <summary>Makes the corpus, or leaves it as it is where it was made before.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="utterances">How many.</param>
    /// <returns>The manifest.</returns>
    public static string Make(string folder, int utterances)
    {
        string manifest = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"manifest-{utterances}.csv"));
        if (File.Exists(manifest))
            return manifest;
        var random = new Random(1);
        string[] words = [.. Enumerable.Range(0, 5000).Select(_ => new string([.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => (char)random.Next('A', 'Z' + 1))]))];
        var lines = new StringBuilder();
        for (int i = 0; i < utterances; i++)
        {
            int chapter = i / UtterancesOfChapter, speaker = chapter / ChaptersOfSpeaker;
            string name = $"train/{speaker}/{chapter}/{speaker}-{chapter}-{i % UtterancesOfChapter:D4}";
            if (i % UtterancesOfChapter == 0)
                Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder, name))!);
            // LibriSpeech: 12.3 s and 185 characters on average.
            int seconds = 2 + random.Next(21);
            WriteHole(Path.Combine(folder, name + ".wav"), seconds * Rate + random.Next(Rate));
            File.WriteAllText(Path.Combine(folder, name + ".txt"), string.Join(' ', Enumerable.Range(0, 3 * seconds).Select(_ => words[random.Next(words.Length)])) + "\n");
            lines.Append(CultureInfo.InvariantCulture, $"{name}.wav,{name}.txt\n");
        }
        File.WriteAllText(manifest, lines.ToString());
        return manifest;
    }

    /// <summary>A WAV file of so many 16-bit samples, all zero and none of them on the disk.</summary>
    private static void WriteHole(string path, int samples)
    {
        var header = new byte[44];
        "RIFF"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), 36 + 2 * samples);
        "WAVEfmt "u8.CopyTo(header.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), 16);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(20), 1);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(22), 1);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(24), Rate);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(28), 2 * Rate);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(32), 2);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(34), 16);
        "data"u8.CopyTo(header.AsSpan(36));
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(40), 2 * samples);
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        file.Write(header);
        file.SetLength(header.Length + 2L * samples);
    }
}
