using System.Text;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Words in the order in which they were first seen, found by their UTF-8 bytes.</summary>
internal sealed class WordTable
{
    private byte[] bytes = new byte[1024];
    private int[] starts = new int[64];
    private uint[] hashes = new uint[64];

    /// <summary>Open addressing: a word's index plus one, 0 where nothing stands.</summary>
    private int[] slots = new int[128];

    /// <summary>How many words there are.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of all words together.</summary>
    public int Bytes => starts[Count];

    /// <summary>Bytes that the table takes.</summary>
    public long Memory => bytes.Length + 4L * (starts.Length + hashes.Length + slots.Length);

    /// <summary>A word's bytes.</summary>
    public ReadOnlySpan<byte> this[int index] => bytes.AsSpan(starts[index], starts[index + 1] - starts[index]);

    /// <summary>A word as text.</summary>
    public string Text(int index) => Encoding.UTF8.GetString(this[index]);

    /// <summary>The index of a word, or -1.</summary>
    public int Find(ReadOnlySpan<byte> word) => slots[Slot(word, WordHash.Short(word))] - 1;

    /// <summary>The index of a word, which is added where it is new.</summary>
    /// <exception cref="InsufficientMemoryException">All words together have more than 2 GB.</exception>
    public int Add(ReadOnlySpan<byte> word)
    {
        uint hash = WordHash.Short(word);
        int slot = Slot(word, hash);
        if (slots[slot] > 0)
            return slots[slot] - 1;
        if (Count + 2 > starts.Length)
        {
            Array.Resize(ref starts, 2 * starts.Length);
            Array.Resize(ref hashes, starts.Length);
        }
        long end = (long)Bytes + word.Length;
        if (end > Array.MaxLength)
            throw new InsufficientMemoryException("the words together have more than 2 GB");
        if (end > bytes.Length)
            Array.Resize(ref bytes, (int)Math.Min(Array.MaxLength, Math.Max(end, 2L * bytes.Length)));
        word.CopyTo(bytes.AsSpan(Bytes));
        hashes[Count] = hash;
        starts[++Count] = (int)end;
        slots[slot] = Count;
        if (2 * Count > slots.Length)
            Grow();
        return Count - 1;
    }

    private int Slot(ReadOnlySpan<byte> word, uint hash)
    {
        int mask = slots.Length - 1;
        int slot = (int)hash & mask;
        while (slots[slot] is > 0 and int taken && !(hashes[taken - 1] == hash && this[taken - 1].SequenceEqual(word)))
            slot = (slot + 1) & mask;
        return slot;
    }

    private void Grow()
    {
        slots = new int[2 * slots.Length];
        int mask = slots.Length - 1;
        for (int i = 0; i < Count; i++)
        {
            int slot = (int)hashes[i] & mask;
            while (slots[slot] > 0)
                slot = (slot + 1) & mask;
            slots[slot] = i + 1;
        }
    }
}
