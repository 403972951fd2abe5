using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Ds2.Runtime.Features;

namespace Ds2.Bench.Data;

/// <summary>A corpus of as many files, folders, names, lengths and texts as LibriSpeech has, without its sound: recordings are holes behind a WAV header, or links to stored coefficients.</summary>
internal static class SyntheticCorpus
{
    private const int UtterancesOfChapter = 48, ChaptersOfSpeaker = 3, Rate = 16000, FramesOfSecond = 100, Coefficients = 13;

    /// <summary>Makes the corpus, or leaves it as it is where it was made before.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="utterances">How many.</param>
    /// <param name="set">The name of the set, which another one in the same folder has not.</param>
    /// <param name="seed">Of lengths and texts.</param>
    /// <param name="stored">Coefficients in place of sound: a file for each length, and links to it.</param>
    /// <returns>The manifest.</returns>
    public static string Make(string folder, int utterances, string set = "train", int seed = 1, bool stored = false)
    {
        string own = string.Create(CultureInfo.InvariantCulture, $"{set}-{utterances}{(stored ? "-npy" : "")}"), manifest = Path.Combine(folder, own + ".csv");
        if (File.Exists(manifest))
            return manifest;
        // Links hold their target as it is given, and would look for a relative one beside themselves.
        folder = Path.GetFullPath(folder);
        var random = new Random(seed);
        string[] words = [.. Enumerable.Range(0, 5000).Select(_ => new string([.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => (char)random.Next('A', 'Z' + 1))]))];
        var lines = new StringBuilder();
        for (int i = 0; i < utterances; i++)
        {
            int chapter = i / UtterancesOfChapter, speaker = chapter / ChaptersOfSpeaker;
            string name = $"{own}/{speaker}/{chapter}/{speaker}-{chapter}-{i % UtterancesOfChapter:D4}", recording = name + (stored ? ".npy" : ".wav");
            if (i % UtterancesOfChapter == 0)
                Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder, name))!);
            double seconds = LibriSpeechLengths.Seconds((double)i / utterances, random.NextDouble());
            if (stored)
                Link(Path.Combine(folder, recording), Path.Combine(folder, own, "lengths"), (int)(seconds * FramesOfSecond));
            else
                WriteHole(Path.Combine(folder, recording), (int)(seconds * Rate));
            var text = new StringBuilder(words[random.Next(words.Length)]);
            while (text.Length < (int)(seconds * LibriSpeechLengths.CharactersOfSecond) - words[0].Length)
                text.Append(' ').Append(words[random.Next(words.Length)]);
            File.WriteAllText(Path.Combine(folder, name + ".txt"), text.Append('\n').ToString());
            lines.Append(CultureInfo.InvariantCulture, $"{recording},{name}.txt\n");
        }
        File.WriteAllText(manifest, lines.ToString());
        return manifest;
    }

    /// <summary>Links a path to the coefficients of so many frames, which are drawn where there are none yet.</summary>
    private static void Link(string path, string folder, int frames)
    {
        Directory.CreateDirectory(folder);
        string target = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{frames}.npy"));
        if (!File.Exists(target))
        {
            var random = new Random(frames);
            NpyFile.Write(target, Enumerable.Range(0, frames * Coefficients).Select(_ => random.NextSingle()).ToArray(), frames, Coefficients);
        }
        File.Delete(path);
        File.CreateSymbolicLink(path, target);
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
