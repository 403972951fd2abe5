using System.Text;

namespace Ds2.Tests.Data.Download;

/// <summary>Everything in a folder, to compare folders by.</summary>
internal static class FolderBytes
{
    /// <summary>Paths and contents' sums, one a line.</summary>
    public static string Of(string folder)
    {
        var text = new StringBuilder();
        foreach (string file in Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            text.Append(TestArchives.Digest(File.ReadAllBytes(file))).Append("  ").Append(Path.GetRelativePath(folder, file)).Append('\n');
        return text.ToString();
    }
}
