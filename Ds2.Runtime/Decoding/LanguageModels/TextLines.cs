using System.IO.Compression;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Text by lines, gzip or not as its content says, from a file or a pipe: it is read once, from its start to its end.</summary>
internal static class TextLines
{
    /// <summary>Reads a text.</summary>
    /// <param name="path">For messages.</param>
    /// <param name="stream">The text.</param>
    /// <param name="progress">Hears of its bytes.</param>
    /// <param name="read">Reads the lines.</param>
    /// <exception cref="InputException">It cannot be read to the end.</exception>
    public static T Read<T>(string path, PeekStream stream, IWorkProgress progress, Func<LineReader, T> read)
    {
        try
        {
            return InputFile.Guard(path, () =>
            {
                bool compressed = stream.Peek(2).SequenceEqual<byte>([0x1F, 0x8B]);
                using IWorkItem work = progress.Begin($"reading {Path.GetFileName(path)}", stream.Total, WorkUnit.Bytes);
                stream.Work = work;
                using GZipStream? unpacked = compressed ? new GZipStream(stream, CompressionMode.Decompress, leaveOpen: true) : null;
                return read(new LineReader((Stream?)unpacked ?? stream));
            });
        }
        catch (InvalidDataException exception)
        {
            throw new InputException($"{path}: is no whole gzip file: {exception.Message}", exception);
        }
    }
}
