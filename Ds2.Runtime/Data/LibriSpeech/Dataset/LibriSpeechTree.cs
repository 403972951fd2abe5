using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech.Dataset;

/// <summary>An utterance as LibriSpeech's archives hold it.</summary>
/// <param name="Split">The archive's name: train-clean-100, dev-other, ….</param>
/// <param name="Id">speaker-chapter-number.</param>
/// <param name="FlacPath">The recording.</param>
/// <param name="Text">The transcript.</param>
internal sealed record LibriSpeechItem(string Split, string Id, string FlacPath, string Text)
{
    /// <summary>The set that the split belongs to: train, val or test.</summary>
    public string Set => LibriSpeechTree.SetOf(Split)!;
}

/// <summary>Finds the utterances of an unpacked LibriSpeech: split/speaker/chapter/id.flac, and one speaker-chapter.trans.txt a chapter.</summary>
internal static class LibriSpeechTree
{
    /// <summary>The folders that hold splits, in the order of their names.</summary>
    /// <param name="source">The folder LibriSpeech, or one that holds it.</param>
    /// <exception cref="InputException">There is no such folder, or no split in it.</exception>
    public static IReadOnlyList<string> Splits(string source)
    {
        if (!Directory.Exists(source))
            throw new InputException($"{source}: no such folder");
        string inside = Path.Combine(source, "LibriSpeech");
        string root = Directory.Exists(inside) ? inside : source;
        string[] splits = [.. Directory.GetDirectories(root).Where(folder => SetOf(Path.GetFileName(folder)) is not null).Order(StringComparer.Ordinal)];
        return splits.Length > 0 ? splits : throw new InputException($"{root}: holds no folder train-*, dev-* or test-*; is it an unpacked LibriSpeech?");
    }

    /// <summary>All utterances of a split.</summary>
    /// <exception cref="InputException">A folder is a link, whose utterances would be missing without a word; a transcript line is malformed or has no recording, a recording has no transcript line, or there are none at all.</exception>
    public static List<LibriSpeechItem> Items(string splitFolder)
    {
        string split = Path.GetFileName(splitFolder);
        var items = new List<LibriSpeechItem>();
        FolderTree tree = FolderTree.Of(splitFolder);
        if (tree.Links.Count > 0)
            throw new InputException($"{tree.Links.Min(StringComparer.Ordinal)}: a link to a folder, which is not followed: put the folder itself there, or remove the link");
        foreach (string transcripts in tree.Files.Where(file => file.EndsWith(".trans.txt", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            string chapter = Path.GetDirectoryName(transcripts)!;
            HashSet<string> recordings = [.. Directory.EnumerateFiles(chapter, "*.flac")];
            int number = 0;
            foreach (string line in InputFile.ReadLines(transcripts))
            {
                number++;
                if (string.IsNullOrWhiteSpace(line))
                    continue;
                string[] parts = line.Trim().Split(' ', 2, StringSplitOptions.TrimEntries);
                if (parts.Length != 2 || parts[0] != Path.GetFileName(parts[0]))
                    throw new InputException($"{transcripts}: line {number}: expected 'id TEXT', found '{line}'");
                string recording = Path.Combine(chapter, parts[0] + ".flac");
                if (!recordings.Remove(recording))
                    throw new InputException($"{recording}: no such file, or listed twice (line {number} of {transcripts})");
                items.Add(new LibriSpeechItem(split, parts[0], recording, parts[1].ToUpperInvariant()));
            }
            if (recordings.Count > 0)
                throw new InputException($"{recordings.Order(StringComparer.Ordinal).First()}: has no line in {transcripts}");
        }
        return items.Count > 0 ? items : throw new InputException($"{splitFolder}: holds no *.trans.txt with utterances");
    }

    /// <summary>The set that a split belongs to, by its name; null where it is no split's name.</summary>
    internal static string? SetOf(string split) => split.IndexOf('-', StringComparison.Ordinal) is var dash && dash < 0 ? null : split[..dash] switch
    {
        "train" => "train",
        "dev" => "val",
        "test" => "test",
        _ => null,
    };
}
