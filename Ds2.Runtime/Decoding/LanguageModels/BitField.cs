using System.Numerics;
using System.Runtime.CompilerServices;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Numbers of any width up to 32 bits, packed without gaps. Little-endian: the first number has the lowest bits of the first bytes.</summary>
internal static unsafe class BitField
{
    /// <summary>Bytes that must follow the last packed one, as numbers are read eight bytes at a time.</summary>
    public const int Slack = 8;

    /// <summary>Bits that hold every number up to a largest one.</summary>
    public static int Width(long largest) => Math.Max(1, 64 - BitOperations.LeadingZeroCount((ulong)largest));

    /// <summary>The lowest bits set.</summary>
    public static ulong Mask(int width) => (1UL << width) - 1;

    /// <summary>Reads a number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Read(byte* data, long bit, ulong mask) => (uint)((Unsafe.ReadUnaligned<ulong>(data + (bit >> 3)) >> (int)(bit & 7)) & mask);

    /// <summary>Writes a number where zeros stand.</summary>
    public static void Write(byte* data, long bit, uint value)
    {
        byte* at = data + (bit >> 3);
        Unsafe.WriteUnaligned(at, Unsafe.ReadUnaligned<ulong>(at) | ((ulong)value << (int)(bit & 7)));
    }
}
