using Ds2.Runtime.Audio;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.Augment;

/// <summary>A folder of recordings that are mixed into training audio: street, babble, music.</summary>
public sealed class NoiseFolder
{
    private static readonly string[] Endings = [".wav", ".flac"];

    private NoiseFolder(string[] files, string[] links) => (Files, Links) = (files, links);

    /// <summary>The recordings, in the order of their paths, so that a number means the same one on every machine.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>The links to folders in it, which are not followed.</summary>
    public IReadOnlyList<string> Links { get; }

    /// <summary>Lists a folder's WAV and FLAC files, those of its subfolders included, and reads their headers.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="InputException">It is missing or holds none, or one of them is damaged.</exception>
    public static NoiseFolder Open(string path)
    {
        if (!Directory.Exists(path))
            throw new InputException($"{path}: no such folder (noiseFolder)");
        FolderTree tree = FolderTree.Of(path);
        string[] files = [.. tree.Files.Where(file => Endings.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase)).Order(StringComparer.Ordinal)];
        string[] links = [.. tree.Links.Order(StringComparer.Ordinal)];
        if (files.Length == 0)
            throw new InputException($"{path}: holds no WAV or FLAC files{(links.Length > 0 ? $"; links to folders, such as {links[0]}, are not followed" : "")} (noiseFolder)");
        foreach (string file in files)
            _ = AudioFile.Duration(file);
        return new NoiseFolder(files, links);
    }

    /// <summary>A stretch of a recording.</summary>
    /// <param name="file">The recording.</param>
    /// <param name="position">Where it starts, as a part in [0, 1) of the places where it can.</param>
    /// <param name="samples">Its length at 16 kHz; a shorter recording is repeated.</param>
    /// <exception cref="InputException">The recording cannot be read.</exception>
    internal static float[] Excerpt(string file, double position, int samples)
    {
        float[] noise = AudioFile.Read(file);
        int places = noise.Length >= samples ? noise.Length - samples + 1 : noise.Length;
        int at = (int)(position * places);
        var excerpt = new float[samples];
        for (int done = 0; done < samples; at = 0)
        {
            int count = Math.Min(samples - done, noise.Length - at);
            noise.AsSpan(at, count).CopyTo(excerpt.AsSpan(done));
            done += count;
        }
        return excerpt;
    }
}
