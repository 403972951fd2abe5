using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data;

/// <summary>An utterance as a manifest lists it.</summary>
/// <param name="AudioPath">The recording, as a full path.</param>
/// <param name="TextPath">The transcript, likewise.</param>
/// <param name="Line">The line in the manifest, from 1.</param>
public sealed record ManifestEntry(string AudioPath, string TextPath, int Line);

/// <summary>Manifests: files of lines <c>audio path,text path</c>, quoted as RFC 4180 says where a path has a comma, a quote, or a space at an end.</summary>
/// <remarks>Relative paths start at the manifest's folder and may lead anywhere, absolute ones too: a manifest is its user's own word on where the data are.</remarks>
public static class ManifestFile
{
    /// <summary>The entries of a manifest; empty lines are skipped. Whether the files exist is not looked at.</summary>
    /// <param name="path">The manifest.</param>
    /// <exception cref="InputException">It is missing, empty, malformed, or no UTF-8 text.</exception>
    public static IReadOnlyList<ManifestEntry> Read(string path)
    {
        using var reader = new ManifestReader(path);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var entries = new List<ManifestEntry>();
        while (reader.Read())
            entries.Add(new ManifestEntry(FullPath(reader.Audio, folder), FullPath(reader.Text, folder), reader.Line));
        return entries;
    }

    /// <summary>A line of a manifest, without its end: quoted where the paths need it, so that <see cref="Read"/> finds them again.</summary>
    /// <param name="audioPath">The recording.</param>
    /// <param name="textPath">The transcript.</param>
    /// <exception cref="InputException">A path has a line end in it, which no manifest can hold.</exception>
    public static string Line(string audioPath, string textPath)
    {
        foreach (string path in (ReadOnlySpan<string>)[audioPath, textPath])
        {
            if (path.AsSpan().ContainsAny('\n', '\r'))
                throw new InputException($"{path}: has a line end in its name, which a manifest cannot hold; rename it");
        }
        return $"{SeparatedValues.Field(audioPath, ',')},{SeparatedValues.Field(textPath, ',')}";
    }

    /// <summary>The fault of a transcript that is not there; says so where the manifest seems to hold the text itself.</summary>
    /// <param name="textPath">The transcript, as a full path.</param>
    /// <param name="manifest">The manifest that names it.</param>
    /// <param name="line">Its line there.</param>
    public static InputException NoSuchText(string textPath, string manifest, int line)
    {
        string column = Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(manifest))!, textPath);
        return ManifestHint.LooksLikeText(column)
            ? new InputException($"{manifest}: line {line}: expected a path to a text file; the second column looks like the text itself: '{column}'; write it to a file and name that")
            : InputException.NoFile(textPath, $"line {line} of {manifest}");
    }

    /// <summary>A path in full. Most are plain names below the folder, which need no look at each of their parts.</summary>
    private static string FullPath(ReadOnlySpan<char> path, string folder)
    {
        bool plain = Path.DirectorySeparatorChar == '/' && path[0] is not ('/' or '.') && path[^1] != '/' && path.IndexOf("/.") < 0 && path.IndexOf("//") < 0 && folder.Length > 1;
        return plain ? string.Concat(folder, "/", path) : Path.GetFullPath(path.ToString(), folder);
    }
}
