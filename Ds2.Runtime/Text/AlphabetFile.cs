using System.Text;
using System.Text.Json;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Text;

/// <summary>Alphabets in files, in either of two forms that are in use.</summary>
/// <remarks>
/// A JSON array of labels, the blank first, as deepspeech.pytorch has them: <c>["_", "'", "A", …, " "]</c>. Or a text with a label a line, without the blank, as DeepSpeech has
/// them: a line of one space is the space, a line that begins with <c>#</c> is a comment, <c>\#</c> is the label '#'. In both a label may be several characters, as a letter with a
/// mark that Unicode has no one character for.
/// </remarks>
public static class AlphabetFile
{
    private const string Blank = "_", OtherBlank = "<blank>";

    private static readonly JsonSerializerOptions Json = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Reads an alphabet.</summary>
    /// <param name="path">The file, UTF-8.</param>
    /// <exception cref="InputException">It is missing or unreadable, or no alphabet.</exception>
    public static Alphabet Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string text = InputFile.Guard(path, () => File.ReadAllText(path, new UTF8Encoding(false, throwOnInvalidBytes: true)));
        try
        {
            string[] labels = text.TrimStart().StartsWith('[') ? JsonSerializer.Deserialize<string[]>(text) ?? [] : [.. LabelsOf(text)];
            // Others have the blank last: read as ours, the first letter would be what is never written.
            if (labels is [{ Length: > 0 } first, ..] && Rune.TryGetRuneAt(first, 0, out Rune rune) && (Rune.IsWhiteSpace(rune) || Rune.IsLetterOrDigit(rune)))
                throw new InputException($"{path}: the first label is the blank, which is never written, and here it is '{first}': put \"{Blank}\" first");
            return new Alphabet(labels);
        }
        catch (JsonException exception)
        {
            throw new InputException($"{path}: no JSON array of labels: {exception.Message}", exception);
        }
        catch (ArgumentException exception)
        {
            throw new InputException($"{path}: {exception.Message.ReplaceLineEndings(" ").Replace(" (Parameter 'labels')", "", StringComparison.Ordinal)}", exception);
        }
    }

    /// <summary>Writes an alphabet as a JSON array; the file is replaced in one step or not at all.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string path, Alphabet alphabet)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        byte[] json = Encoding.UTF8.GetBytes(ToJson(alphabet) + "\n");
        AtomicFile.Write(path, stream => stream.Write(json));
    }

    /// <summary>The array on one line, its characters as they are.</summary>
    public static string ToJson(Alphabet alphabet)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        return JsonSerializer.Serialize(alphabet.Labels, Json);
    }

    private static IEnumerable<string> LabelsOf(string text)
    {
        string[] labels =
        [
            .. text.TrimStart('\uFEFF').Split('\n').Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0 && line[0] != '#').Select(line => line == "\\#" ? "#" : line),
        ];
        return labels.Prepend(labels.Contains(Blank) ? OtherBlank : Blank);
    }
}
