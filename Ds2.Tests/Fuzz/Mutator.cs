using System.Buffers.Binary;
using System.Text;

namespace Ds2.Tests.Fuzz;

/// <summary>Damages files the way disks, networks and bad programs do, and a little worse. The same seed gives the same damage everywhere.</summary>
internal static class Mutator
{
    private const int MostDamages = 8;
    private const int HeaderBytes = 64;
    private const int LongestRange = 256;

    private static readonly long[] Numbers =
    [
        0, 1, -1, 2, 7, 13, 127, 128, 255, 256, 32767, 32768, 65535, 65536, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 32, long.MaxValue, long.MinValue,
    ];

    private static readonly byte[][] Tokens =
    [
        .. new[]
        {
            "null", "true", "[]", "{}", "{", "}", "[", "\"", ",", ":", "0", "-1", "1e999", "NaN", "99999999999999999999", "0.5", "\\ud800", "\\u0000", "\0", "\n", "\r",
            "../", "/", " ", "'", "(", ")", "\uFEFF", "\u00e9", "\u0130", "data", "fmt ", "RIFF", "fLaC",
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC3], [0xED, 0xA0, 0x80],
    ];

    /// <summary>A copy with one to several damages; half of them near the start, where headers are.</summary>
    public static byte[] Damage(byte[] whole, Random random)
    {
        var bytes = new List<byte>(whole);
        for (int left = random.Next(1, MostDamages + 1); left > 0; left--)
            DamageOnce(bytes, random);
        return [.. bytes];
    }

    private static void DamageOnce(List<byte> bytes, Random random)
    {
        int at = Place(bytes.Count, random), length = Math.Min(random.Next(1, random.Next(2, LongestRange)), bytes.Count - at);
        switch (random.Next(10))
        {
            case 0 when bytes.Count > at:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when bytes.Count > at:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2 or 3:
                Overwrite(bytes, at, Number(random));
                break;
            case 4:
                Overwrite(bytes, at, Tokens[random.Next(Tokens.Length)]);
                break;
            case 5:
                bytes.InsertRange(at, Tokens[random.Next(Tokens.Length)]);
                break;
            case 6:
                bytes.RemoveRange(at, length);
                break;
            case 7:
                bytes.InsertRange(Place(bytes.Count, random), bytes.GetRange(at, length));
                break;
            case 8:
                ReplaceDigit(bytes, at, random);
                break;
            case 9 when random.Next(4) == 0:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            default:
                break;
        }
    }

    private static int Place(int count, Random random) => random.Next(2) == 0 ? random.Next(Math.Min(count, HeaderBytes) + 1) : random.Next(count + 1);

    /// <summary>A number at which programs turn over, of 1, 2, 4 or 8 bytes, of either order.</summary>
    private static byte[] Number(Random random)
    {
        var bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, Numbers[random.Next(Numbers.Length)]);
        byte[] narrow = bytes[..(1 << random.Next(4))];
        if (random.Next(2) == 0)
            Array.Reverse(narrow);
        return narrow;
    }

    private static void Overwrite(List<byte> bytes, int at, byte[] with)
    {
        for (int i = 0; i < with.Length && at + i < bytes.Count; i++)
            bytes[at + i] = with[i];
    }

    /// <summary>Puts other digits in the place of the next one: texts say their sizes in digits.</summary>
    private static void ReplaceDigit(List<byte> bytes, int at, Random random)
    {
        int digit = bytes.FindIndex(at, value => value is >= (byte)'0' and <= (byte)'9');
        if (digit < 0)
            return;
        bytes.RemoveAt(digit);
        for (int left = random.Next(1, 12); left > 0; left--)
            bytes.Insert(digit, (byte)('0' + random.Next(10)));
    }
}
