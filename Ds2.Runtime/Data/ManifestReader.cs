using System.Text;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data;

/// <summary>Reads a manifest line by line: <c>audio path,text path</c>, quoted as RFC 4180 says where a path needs it.</summary>
/// <remarks>Allocates nothing a line, but for paths with quotes in them. Empty lines and byte order marks at the start of any line are skipped. A line is an entry: quoted paths do not go over lines.</remarks>
public sealed class ManifestReader : IDisposable
{
    private readonly string path;
    private readonly StreamReader reader;
    private char[] buffer = new char[64 * 1024];
    private int start, end, audioLength;
    private bool ended, afterReturn;
    private char[] paths = new char[1024];
    private int pathsLength;
    private bool any;

    /// <summary>Opens a manifest.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">It cannot be opened.</exception>
    public ManifestReader(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        this.path = path;
        reader = new StreamReader(InputFile.Open(path), new UTF8Encoding(encoderShouldEmitUTF8Identifier: true, throwOnInvalidBytes: true));
    }

    /// <summary>The line of the present entry, from 1.</summary>
    public int Line { get; private set; }

    /// <summary>The recording as the manifest names it, until the next line is read.</summary>
    public ReadOnlySpan<char> Audio => paths.AsSpan(0, audioLength);

    /// <summary>The transcript, likewise.</summary>
    public ReadOnlySpan<char> Text => paths.AsSpan(audioLength, pathsLength - audioLength);

    /// <summary>Goes to the next entry.</summary>
    /// <returns>False at the end.</returns>
    /// <exception cref="InputException">The line is malformed, the file cannot be read or is no UTF-8, or lists nothing.</exception>
    public bool Read()
    {
        while (TryReadLine(out ReadOnlySpan<char> line))
        {
            line = line.TrimStart('\uFEFF').Trim();
            if (line.Length == 0)
                continue;
            if (!TryParse(line, out ReadOnlySpan<char> audio, out ReadOnlySpan<char> text) || (!any && ManifestHint.IsHeader(line)))
                throw new InputException($"{path}: line {Line}: expected 'audio path,text path', found '{line}'{ManifestHint.Of(line, isFirst: !any)}");
            any = true;
            Keep(audio, text);
            return true;
        }
        return any ? false : throw new InputException($"{path}: lists no utterances");
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => reader.Dispose();

    private static bool TryParse(ReadOnlySpan<char> line, out ReadOnlySpan<char> audio, out ReadOnlySpan<char> text)
    {
        text = [];
        return SeparatedValues.TryTake(ref line, ',', out audio, out bool last) && !last && SeparatedValues.TryTake(ref line, ',', out text, out last) && last
            && !audio.IsWhiteSpace() && !text.IsWhiteSpace() && !audio.Contains('\0') && !text.Contains('\0');
    }

    private void Keep(ReadOnlySpan<char> audio, ReadOnlySpan<char> text)
    {
        if (audio.Length + text.Length > paths.Length)
            paths = new char[2 * (audio.Length + text.Length)];
        audio.CopyTo(paths);
        text.CopyTo(paths.AsSpan(audio.Length));
        (audioLength, pathsLength) = (audio.Length, audio.Length + text.Length);
    }

    private bool TryReadLine(out ReadOnlySpan<char> line)
    {
        int searched = start;
        while (true)
        {
            int found = buffer.AsSpan(searched, end - searched).IndexOfAny('\n', '\r');
            if (found >= 0)
            {
                int at = searched + found;
                line = buffer.AsSpan(start, at - start);

                // The \n of \r\n ends no line of its own.
                bool second = afterReturn && buffer[at] == '\n' && line.Length == 0;
                afterReturn = buffer[at] == '\r';
                searched = start = at + 1;
                if (second)
                    continue;
                Line++;
                return true;
            }
            int unread = end - start;
            if (ended)
            {
                line = buffer.AsSpan(start, unread);
                start = end;
                if (unread > 0)
                    Line++;
                return unread > 0;
            }
            searched = unread;
            Fill(unread);
        }
    }

    /// <summary>Moves what is left of a line to the front, and reads on behind it.</summary>
    private void Fill(int unread)
    {
        char[] target = unread > buffer.Length / 2 ? new char[2 * buffer.Length] : buffer;
        buffer.AsSpan(start, unread).CopyTo(target);
        (buffer, start, end) = (target, 0, unread);
        int count = InputFile.Guard(path, () => reader.Read(buffer.AsSpan(unread)));
        ended = count == 0;
        end += count;
    }
}
