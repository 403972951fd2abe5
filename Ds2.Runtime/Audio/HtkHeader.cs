using System.Buffers.Binary;
using System.Text;

namespace Ds2.Runtime.Audio;

/// <summary>The header of a parameter file of HTK (The HTK Book, section 5.10.1): 12 bytes, big-endian.</summary>
/// <param name="Frames">Frames.</param>
/// <param name="Period">Between two frames, in units of 100 ns.</param>
/// <param name="FrameBytes">Bytes of a frame.</param>
/// <param name="Kind">What a frame holds: a basis in the lower six bits, qualifiers above.</param>
internal readonly record struct HtkHeader(int Frames, int Period, int FrameBytes, int Kind)
{
    public const int Bytes = 12;

    private const int Mfcc = 6, Energy = 0x40, MeanRemoved = 0x800, Checksum = 0x1000, Zeroth = 0x2000, BasisMask = 0x3F, ChecksumBytes = 2;

    /// <summary>10 ms.</summary>
    private const int FramePeriod = 100_000;

    private static readonly string[] Bases = ["WAVEFORM", "LPC", "LPREFC", "LPCEPSTRA", "LPDELCEP", "IREFC", "MFCC", "FBANK", "MELSPEC", "USER", "DISCRETE", "PLP"];

    /// <summary>The qualifiers' letters from bit 6 on: energy, no absolute energy, delta, acceleration, compressed, mean removed, checksum, zeroth coefficient, vector-quantised, third differential.</summary>
    private const string Qualifiers = "ENDACZK0VT";

    /// <summary>MFCC_E_D, ….</summary>
    private string Name
    {
        get
        {
            var name = new StringBuilder(Bases[Kind & BasisMask]);
            for (int i = 0; i < Qualifiers.Length; i++)
            {
                if ((Kind >> 6 + i & 1) != 0)
                    name.Append('_').Append(Qualifiers[i]);
            }

            return name.ToString();
        }
    }

    /// <summary>The header, if the file's length is that of such a file.</summary>
    public static HtkHeader? TryRead(ReadOnlySpan<byte> head, long fileLength)
    {
        var header = new HtkHeader(
            BinaryPrimitives.ReadInt32BigEndian(head), BinaryPrimitives.ReadInt32BigEndian(head[4..]), BinaryPrimitives.ReadUInt16BigEndian(head[8..]),
            BinaryPrimitives.ReadUInt16BigEndian(head[10..]));
        if (header is not { Frames: > 0, Period: > 0, FrameBytes: > 0 } || (header.Kind & BasisMask) >= Bases.Length)
            return null;
        long length = Bytes + header.Frames * (long)header.FrameBytes;
        return fileLength == length || fileLength == length + ChecksumBytes && (header.Kind & Checksum) != 0 ? header : null;
    }

    /// <summary>The number of frames, where each is twelve cepstral coefficients and then the zeroth, or the energy, in its place.</summary>
    /// <exception cref="InputException">The file is of another kind.</exception>
    public int RequireCepstra(string path)
    {
        int basics = Kind & ~MeanRemoved;
        return basics is (Mfcc | Energy) or (Mfcc | Zeroth) && FrameBytes == CoefficientFile.Coefficients * sizeof(float) && Period == FramePeriod
            ? Frames
            : throw new InputException(
                $"{path}: an HTK file of kind {Name}, {FrameBytes} bytes a frame, a frame each {Period / 10000.0:0.##} ms: of HTK's, MFCC_0 and MFCC_E (with or without _Z) of 13 floats a frame "
                + "each 10 ms can be read");
    }
}
