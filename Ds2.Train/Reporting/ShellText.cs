namespace Ds2.Train.Reporting;

/// <summary>Words of command lines that are printed to be pasted.</summary>
internal static class ShellText
{
    /// <summary>A word that a shell takes for this one: as it is where it can be, else in quotes.</summary>
    public static string Quote(string word)
    {
        if (word.Length > 0 && word.All(character => char.IsLetterOrDigit(character) || "_-./:=@%+,".Contains(character) || OperatingSystem.IsWindows() && character == '\\'))
            return word;
        return OperatingSystem.IsWindows() ? $"\"{word}\"" : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }
}
