using System.Runtime.InteropServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>Memory outside the garbage-collected heap for what host kernels stream through.</summary>
/// <remarks>
/// A large block lies on pages of 2 MiB where Linux grants them: with pages of 4 KiB the hardware's prefetchers stop, and an address translation is
/// missed, every 64 cache lines.
/// </remarks>
internal static unsafe partial class HostMemory
{
    private const nuint LineBytes = 64;
    private const nuint HugePageBytes = 2 << 20;
    private const int AdviseHugePages = 14; // MADV_HUGEPAGE

    [ThreadStatic]
    private static long allocatedBytes;

    /// <summary>All bytes that the calling thread has taken, given back or not: of the code that it calls, and of nobody else's.</summary>
    public static long AllocatedBytesForCurrentThread => allocatedBytes;

    /// <summary>A block whose contents are undefined; the caller gives it back.</summary>
    /// <exception cref="OutOfMemoryException">The host has not that much left.</exception>
    public static void* Allocate(nuint bytes)
    {
        bool large = OperatingSystem.IsLinux() && bytes >= 2 * HugePageBytes;
        void* block;
        try
        {
            block = NativeMemory.AlignedAlloc(Math.Max(bytes, LineBytes), large ? HugePageBytes : LineBytes);
        }
        catch (OutOfMemoryException)
        {
            throw new OutOfMemoryException($"the host has no {bytes:N0} bytes left");
        }

        allocatedBytes += (long)bytes;

        // A kernel without huge pages refuses, and the block serves as it is.
        if (large)
            _ = Advise(block, bytes, AdviseHugePages);
        return block;
    }

    /// <summary>Gives a block back; null is none.</summary>
    public static void Free(void* block) => NativeMemory.AlignedFree(block);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
