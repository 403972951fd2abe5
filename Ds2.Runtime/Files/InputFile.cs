using System.Text;

namespace Ds2.Runtime.Files;

/// <summary>Opens what the user named, and turns the operating system's refusals into <see cref="InputException"/>.</summary>
internal static class InputFile
{
    /// <summary>Bytes that are no UTF-8 are refused: replaced silently, they would make another file name or another transcript.
    /// It knows its byte order mark: a reader that finds a mark it was not told of goes on with an encoding that replaces.</summary>
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: true, throwOnInvalidBytes: true);

    /// <summary>Opens a file for one pass from the start to the end.</summary>
    public static FileStream Open(string path) => Guard(path, () =>
        new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 16 * 1024, FileOptions.SequentialScan));

    public static byte[] ReadBytes(string path) => Guard(path, () => File.ReadAllBytes(path));

    public static string ReadText(string path) => Guard(path, () => File.ReadAllText(path, Strict));

    public static string[] ReadLines(string path) => Guard(path, () => File.ReadAllLines(path, Strict));

    /// <summary>The fault of bytes that are no UTF-8.</summary>
    public static InputException NotUtf8(string path, Exception? inner = null) => new($"{path}: is not UTF-8 text", inner);

    /// <summary>Runs an action that reads <paramref name="path"/>.</summary>
    /// <exception cref="InputException">The file is missing, unreadable, or failed under the read.</exception>
    public static T Guard<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw InputException.NoFile(path, inner: e);
        }
        catch (UnauthorizedAccessException e)
        {
            // Opening a directory as a file is refused with this exception too.
            throw Directory.Exists(path) ? InputException.NoFile(path, inner: e) : new InputException($"{path}: permission denied", e);
        }
        catch (EndOfStreamException e)
        {
            throw new InputException($"{path}: truncated: the file ends before its header says", e);
        }
        catch (DecoderFallbackException e)
        {
            throw NotUtf8(path, e);
        }
        catch (NotSupportedException e)
        {
            // Looked at more than once, which a pipe cannot be.
            throw new InputException($"{path}: a pipe or a device, not a file: write what comes from it to a file first", e);
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            throw new InputException($"{path}: cannot be read: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}
