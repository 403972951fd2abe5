namespace Ds2.Train.Reporting;

/// <summary>Words of commands that are printed to be pasted into a shell.</summary>
internal static class ShellWord
{
    /// <summary>A word as a POSIX shell reads it back: as it is where no character means anything to the shell, else between single quotes.</summary>
    public static string Quote(string word) => word.Length > 0 && word.All(character => char.IsLetterOrDigit(character) || "_-./:=@%+,".Contains(character))
        ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
