using System.Runtime.InteropServices;

namespace Ds2.Runtime.Files;

/// <summary>Looks at files with as few system calls as there can be, on Linux.</summary>
/// <remarks>A FileStream takes ten calls for a small file, most of them for locks and sizes. That is nothing for one, and the larger part of the time for the hundreds of thousands of a corpus.</remarks>
internal static partial class PosixFile
{
    // open, statx: O_RDONLY | O_CLOEXEC; AT_FDCWD; STATX_TYPE | STATX_CTIME | STATX_SIZE.
    private const int ReadOnly = 0x80000, WorkingFolder = -100, TimeAndSize = 0x281;

    // statx: STATX_TYPE | STATX_INO. stat.h: S_IFMT, S_IFREG, S_IFIFO.
    private const int TypeAndInode = 0x101, TypeMask = 0xF000, Regular = 0x8000, Pipe = 0x1000;

    // fcntl: F_GETFD; its only flag is FD_CLOEXEC.
    private const int GetDescriptorFlags = 1;

    // struct statx: its size, where the file's type, inode and size stand, the inode's time of change in seconds and nanoseconds, and both numbers of the device.
    private const int StatxBytes = 256, ModeAt = 28, InodeAt = 32, SizeAt = 40, SecondsAt = 96, NanosecondsAt = 104, DeviceAt = 136;

    /// <summary>A file's size, and when its inode changed last, in nanoseconds since 1970; null where there is none, or no telling.</summary>
    public static unsafe (long Bytes, long Changed)? Stat(string path)
    {
        byte* statx = stackalloc byte[StatxBytes];
        return Statx(WorkingFolder, path, 0, TimeAndSize, statx) == 0
            ? (*(long*)(statx + SizeAt), unchecked(*(long*)(statx + SecondsAt) * 1_000_000_000 + *(uint*)(statx + NanosecondsAt)))
            : null;
    }

    /// <summary>Which file a path leads to, all links followed; null where it is no regular file.</summary>
    public static unsafe (long Device, long Inode)? Identity(string path)
    {
        byte* statx = stackalloc byte[StatxBytes];
        return Statx(WorkingFolder, path, 0, TypeAndInode, statx) == 0 && (*(ushort*)(statx + ModeAt) & TypeMask) == Regular
            ? (*(long*)(statx + DeviceAt), *(long*)(statx + InodeAt))
            : null;
    }

    /// <summary>Whether a path leads to a pipe, all links followed.</summary>
    public static unsafe bool IsPipe(string path)
    {
        byte* statx = stackalloc byte[StatxBytes];
        return Statx(WorkingFolder, path, 0, TypeAndInode, statx) == 0 && (*(ushort*)(statx + ModeAt) & TypeMask) == Pipe;
    }

    /// <summary>Reads the first bytes of a file.</summary>
    /// <returns>How many there are, at most as many as there is room for; -1 where they cannot be read: whoever opens the file otherwise learns why.</returns>
    public static unsafe int ReadStart(string path, Span<byte> bytes)
    {
        int file = Open(path, ReadOnly);
        if (file < 0)
            return -1;
        fixed (byte* target = bytes)
        {
            nint count = Read(file, target, bytes.Length);
            _ = Close(file);
            return (int)count;
        }
    }

    /// <summary>Whether a file that this process began with is open: one that it opened itself later, under the number of one that was closed, would not outlive an exec.</summary>
    public static bool IsInherited(int file) => GetFlags(file, GetDescriptorFlags) == 0;

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int GetFlags(int file, int command);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Statx(int folder, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "read")]
    private static unsafe partial nint Read(int file, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
