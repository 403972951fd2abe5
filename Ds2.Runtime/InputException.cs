using System.Text;

namespace Ds2.Runtime;

/// <summary>What a user gave cannot be used: a file is missing, cut short or of another kind, or a value makes no sense.</summary>
/// <remarks>The message is one line for the user, naming the file and what is wrong with it; the command line prints it without a stack trace. Messages quote
/// damaged files: control characters are replaced, and of a very long message the end is cut.</remarks>
/// <param name="message">The file, and what is wrong.</param>
/// <param name="inner">What was found underneath, where there is more to know.</param>
public sealed class InputException(string message, Exception? inner = null) : Exception(OneLine(message), inner)
{
    private const int MostCharacters = 2000;

    /// <summary>The fault of a path where a file should be: there is none, or a directory.</summary>
    /// <param name="path">The path.</param>
    /// <param name="where">Who named it, in brackets behind the fault; null where it is the only one.</param>
    /// <param name="inner">What was found underneath.</param>
    public static InputException NoFile(string path, string? where = null, Exception? inner = null) =>
        new($"{path}: {(Directory.Exists(path) ? "is a directory, not a file" : "no such file")}{(where is null ? "" : $" ({where})")}", inner);

    private static string OneLine(string message)
    {
        if (message.Length <= MostCharacters && !message.Any(char.IsControl))
            return message;
        var line = new StringBuilder(message.Length > MostCharacters ? message[..MostCharacters] + "\u2026" : message);
        for (int i = 0; i < line.Length; i++)
        {
            if (char.IsControl(line[i]))
                line[i] = line[i] is '\n' or '\r' or '\t' ? ' ' : '\uFFFD';
        }
        return line.ToString();
    }
}
