using System.Runtime.InteropServices;
using System.Text;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Features;

/// <summary>Writes NumPy's .npy format, version 1.0: a magic number, a header that is a Python dictionary, the data.</summary>
public static class NpyFile
{
    private const int Alignment = 64;

    /// <summary>Writes a float32 matrix; the file is replaced as a whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="values">[rows, columns], row-major.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <exception cref="ArgumentException">The values are not rows times columns.</exception>
    public static void Write(string path, ReadOnlyMemory<float> values, int rows, int columns)
    {
        if (values.Length != (long)rows * columns)
            throw new ArgumentException($"{values.Length} values are no matrix [{rows}, {columns}]", nameof(values));
        string dictionary = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}";
        byte[] preamble = [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0];

        // The header ends in a newline, padded with spaces so that the data start at a multiple of 64 bytes.
        int used = preamble.Length + sizeof(ushort) + dictionary.Length + 1;
        string header = dictionary + new string(' ', (Alignment - used % Alignment) % Alignment) + "\n";
        AtomicFile.Write(path, stream =>
        {
            stream.Write(preamble);
            stream.Write(BitConverter.GetBytes((ushort)header.Length));
            stream.Write(Encoding.ASCII.GetBytes(header));
            stream.Write(MemoryMarshal.AsBytes(values.Span));
        });
    }
}
