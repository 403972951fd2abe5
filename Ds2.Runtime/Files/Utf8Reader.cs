using System.Text;
using System.Text.Unicode;
using Microsoft.Win32.SafeHandles;

namespace Ds2.Runtime.Files;

/// <summary>Reads texts one after the other through one buffer.</summary>
internal sealed class Utf8Reader
{
    private byte[] buffer = new byte[4096];

    /// <summary>A text as UTF-8, without a byte order mark; until the next is read.</summary>
    /// <param name="path">A file of UTF-8, or of UTF-16 with a byte order mark.</param>
    /// <param name="bytes">Its size: reading goes on to there; where it is 0, to the end.</param>
    /// <exception cref="InputException">It is missing, unreadable, or no such text.</exception>
    public ReadOnlySpan<byte> Read(string path, long bytes)
    {
        int count = InputFile.Guard(path, () => Fill(path, bytes));
        ReadOnlySpan<byte> text = buffer.AsSpan(0, count);
        if (text.StartsWith(Encoding.Unicode.Preamble) || text.StartsWith(Encoding.BigEndianUnicode.Preamble))
            return Encoding.UTF8.GetBytes(InputFile.ReadText(path));
        if (text.StartsWith(Encoding.UTF8.Preamble))
            text = text[Encoding.UTF8.Preamble.Length..];
        return Utf8.IsValid(text) ? text : throw InputFile.NotUtf8(path);
    }

    private int Fill(string path, long bytes)
    {
        // Read whole in one go, as nearly all are.
        if (OperatingSystem.IsLinux() && bytes > 0 && bytes <= buffer.Length && PosixFile.ReadStart(path, buffer.AsSpan(0, (int)bytes)) == bytes)
            return (int)bytes;
        using SafeFileHandle file = File.OpenHandle(path);
        for (int count = 0; ;)
        {
            if (count == buffer.Length)
                Array.Resize(ref buffer, checked(2 * count));
            int got = RandomAccess.Read(file, buffer.AsSpan(count), count);
            count += got;
            if (got == 0 || count == bytes)
                return count;
        }
    }
}
