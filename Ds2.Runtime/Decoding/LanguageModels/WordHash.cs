namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>The hash that words are sorted and found by. A compiled file holds its values, so it never changes.</summary>
internal static class WordHash
{
    /// <summary>FNV-1a of 64 bits, then MurmurHash3's finalizer, as FNV alone leaves the upper bits of short words poorly mixed.</summary>
    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (byte value in bytes)
            hash = (hash ^ value) * 0x100000001B3;
        return Mix(hash);
    }

    /// <summary>MurmurHash3's finalizer: every bit of a number reaches every other.</summary>
    public static ulong Mix(ulong hash)
    {
        hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCD;
        hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53;
        return hash ^ (hash >> 33);
    }

    /// <summary>The upper half, which is what a model's words are sorted by: evenly spread, so that a word's place can be guessed from it.</summary>
    public static uint Short(ReadOnlySpan<byte> bytes) => (uint)(Of(bytes) >> 32);
}
