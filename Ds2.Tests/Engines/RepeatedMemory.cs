using System.Runtime.InteropServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Tests.Engines;

/// <summary>A tensor of billions of elements in a few megabytes. Linux alone maps memory so.</summary>
/// <remarks>
/// One to be written has addresses that repeat one block of memory, but for the last, which has a block of its own: what an op writes is seen in
/// <see cref="First"/> if it was there, and in <see cref="Last"/> if it came to the end. One to be read is the system's page of zeros, but where a test writes.
/// </remarks>
internal sealed unsafe partial class RepeatedMemory : IDisposable
{
    private const int Block = 1 << 21;
    private const int BlockFloats = Block / sizeof(float);

    private const int Read = 1;
    private const int Write = 2;
    private const int Shared = 1;
    private const int Private = 2;
    private const int Fixed = 0x10;
    private const int Anonymous = 0x20;
    private const int NoReserve = 0x4000;
    private const int AdviseHugePages = 14;

    private readonly nuint bytes;
    private readonly byte* start;

    private RepeatedMemory(HostEngine engine, Shape shape)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("only Linux maps memory so");
        int blocks = (int)(((long)shape.Length * sizeof(float) + Block - 1) / Block);
        bytes = (nuint)blocks * Block;
        start = Map(null, bytes, Private | Anonymous | NoReserve, -1, 0);
        Tensor = new Tensor(new HostStorage<float>(engine, shape.Length, (float*)start), shape);
    }

    /// <summary>The tensor.</summary>
    public Tensor Tensor { get; }

    /// <summary>What all of its blocks but the last hold.</summary>
    public Span<float> First => new(start, BlockFloats);

    /// <summary>The elements of the last block.</summary>
    public Span<float> Last => new(start + bytes - Block, Tensor.Length - (int)((bytes - Block) / sizeof(float)));

    /// <summary>A tensor of zeros, of which few are written.</summary>
    public static RepeatedMemory Zeros(HostEngine engine, Shape shape)
    {
        var memory = new RepeatedMemory(engine, shape);
        _ = Advise(memory.start, memory.bytes, AdviseHugePages); // else 2 million small pages
        return memory;
    }

    /// <summary>A tensor that repeats, all of whose elements are one value.</summary>
    public static RepeatedMemory Filled(HostEngine engine, Shape shape, float value)
    {
        var memory = new RepeatedMemory(engine, shape);
        int file = CreateMemory("ds2", 0);
        Assert.That(file, Is.Not.Negative, "memfd_create");
        try
        {
            Assert.That(Resize(file, 2 * Block), Is.Zero, "ftruncate");
            for (nuint at = 0; at < memory.bytes; at += Block)
                Map(memory.start + at, Block, Shared | Fixed, file, at < memory.bytes - Block ? 0 : Block);
        }
        finally
        {
            _ = Close(file);
        }

        memory.First.Fill(value);
        memory.Last.Fill(value);
        return memory;
    }

    public void Dispose()
    {
        Tensor.Dispose();
        _ = Unmap(start, bytes);
    }

    private static byte* Map(byte* address, nuint length, int flags, int file, nint offset)
    {
        byte* mapped = Map(address, length, Read | Write, flags, file, offset);
        Assert.That((nint)mapped, Is.Not.EqualTo(-1), "mmap");
        return mapped;
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int CreateMemory(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    private static partial int Resize(int file, nint length);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial byte* Map(byte* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(byte* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(byte* address, nuint length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
