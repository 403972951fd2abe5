using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>Files that hold cepstral coefficients in place of sound: .npy (float32, [frames, 13]), and .mfc as Sphinx or HTK write it.</summary>
/// <remarks>Sphinx: an int32 count, then so many float32, all of either byte order. HTK: 12 bytes of header (<see cref="HtkHeader"/>), then frames. Both have exact lengths, and these tell them apart.</remarks>
internal static partial class CoefficientFile
{
    /// <summary>Coefficients of one frame.</summary>
    public const int Coefficients = 13;

    public const int FramesPerSecond = 100;

    /// <summary>Whether the name's ending says that the file holds coefficients.</summary>
    public static bool IsOne(string path) => IsNumpy(path) || path.EndsWith(".mfc", StringComparison.OrdinalIgnoreCase);

    /// <summary>The number of frames, from the header; checked against the file's length.</summary>
    /// <exception cref="InputException">The file is missing, damaged or of another shape.</exception>
    public static int Frames(string path)
    {
        using FileStream file = InputFile.Open(path);
        return InputFile.Guard(path, () => ReadHeader(file, path).Frames);
    }

    /// <summary>Reads the coefficients, [frames, 13].</summary>
    /// <exception cref="InputException">As <see cref="Frames"/>; or a value is not finite.</exception>
    public static float[] Read(string path)
    {
        using FileStream file = InputFile.Open(path);
        return InputFile.Guard(path, () => ReadValues(file, path));
    }

    private static bool IsNumpy(string path) => path.EndsWith(".npy", StringComparison.OrdinalIgnoreCase);

    private static float[] ReadValues(FileStream file, string path)
    {
        (int frames, bool bigEndian, bool zerothLast) = ReadHeader(file, path);
        var bytes = new byte[frames * Coefficients * sizeof(float)];
        file.ReadExactly(bytes);
        var values = new float[frames * Coefficients];
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> at = bytes.AsSpan(sizeof(float) * i);
            values[i] = bigEndian ? BinaryPrimitives.ReadSingleBigEndian(at) : BinaryPrimitives.ReadSingleLittleEndian(at);
            if (!float.IsFinite(values[i]))
                throw new InputException($"{path}: coefficient {i % Coefficients} of frame {i / Coefficients} is {values[i]}, not a finite number");
        }

        if (zerothLast)
        {
            for (int frame = 0; frame < frames; frame++)
                PutLastFirst(values.AsSpan(frame * Coefficients, Coefficients));
        }

        return values;
    }

    private static void PutLastFirst(Span<float> frame)
    {
        float last = frame[^1];
        frame[..^1].CopyTo(frame[1..]);
        frame[0] = last;
    }

    private static (int Frames, bool BigEndian, bool ZerothLast) ReadHeader(FileStream file, string path)
    {
        bool bigEndian = false, zerothLast = false;
        long values = IsNumpy(path) ? ReadNumpyHeader(file, path) : ReadMfcHeader(file, path, out bigEndian, out zerothLast);
        long bytes = values * sizeof(float), left = file.Length - file.Position;
        if (bytes > left)
            throw new InputException($"{path}: truncated: the header says {bytes} bytes, the file has {left}");
        if (values == 0)
            throw new InputException($"{path}: holds no frames");
        if (values % Coefficients != 0)
            throw new InputException($"{path}: {values} values are no whole number of frames of {Coefficients} coefficients");
        if (bytes > Array.MaxLength)
            throw new InputException($"{path}: {values} values are more than fit into memory at once");
        return ((int)(values / Coefficients), bigEndian, zerothLast);
    }

    /// <summary>Which of the forms a file has its length says: by chance two fit at once only where both say the same number of bytes, which no 13-coefficient file does.</summary>
    private static long ReadMfcHeader(FileStream file, string path, out bool bigEndian, out bool zerothLast)
    {
        Span<byte> head = stackalloc byte[HtkHeader.Bytes];
        int got = file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        if (got < sizeof(int))
            throw new EndOfStreamException();
        (bigEndian, zerothLast) = (true, false);
        if (got == head.Length && HtkHeader.TryRead(head, file.Length) is { } htk)
        {
            zerothLast = true;
            return htk.RequireCepstra(path) * (long)Coefficients;
        }

        file.Position = sizeof(int);
        int big = BinaryPrimitives.ReadInt32BigEndian(head), little = BinaryPrimitives.ReadInt32LittleEndian(head);
        bigEndian = !Fits(little) || Fits(big);
        int count = bigEndian ? big : little;
        if (count < 0)
            throw new InputException($"{path}: damaged: a count of {count} values");
        if (Fits(count) || sizeof(int) + sizeof(float) * (long)count > file.Length)
            return count;
        throw new InputException($"{path}: {file.Length} bytes are neither a Sphinx file of {count} values nor an HTK file; it is damaged, or of another kind");

        bool Fits(int values) => values >= 0 && file.Length == sizeof(int) + sizeof(float) * (long)values;
    }

    private static long ReadNumpyHeader(FileStream file, string path)
    {
        // 0x93 "NUMPY", two version bytes, the length of a Python dictionary (2 bytes in version 1, 4 from version 2), the dictionary.
        Span<byte> head = stackalloc byte[8];
        file.ReadExactly(head);
        if (head[0] != 0x93 || !head[1..6].SequenceEqual("NUMPY"u8))
            throw new InputException($"{path}: not a NumPy file");
        int width = head[6] == 1 ? 2 : 4;
        Span<byte> size = stackalloc byte[4];
        size.Clear();
        file.ReadExactly(size[..width]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(size);
        if (length > 64 * 1024)
            throw new InputException($"{path}: damaged: a NumPy header of {length} bytes");
        var text = new byte[length];
        file.ReadExactly(text);
        string header = Encoding.ASCII.GetString(text);

        Match match = NumpyHeader().Match(header);
        if (!match.Success || match.Groups["type"].Value != "<f4" || match.Groups["columns"].Value != "13")
            throw new InputException($"{path}: must hold little-endian float32 of shape (frames, {Coefficients}) in C order; its header is {header.Trim()}");
        return long.Parse(match.Groups["frames"].Value, CultureInfo.InvariantCulture) * Coefficients;
    }

    [GeneratedRegex(@"^\{'descr': '(?<type>[^']+)', 'fortran_order': False, 'shape': \((?<frames>\d{1,9}), (?<columns>\d{1,9})\)")]
    private static partial Regex NumpyHeader();
}
