using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>A part of a file, as libsndfile's file of its own.</summary>
/// <remarks>
/// Where a part does not say how many samples it has, libsndfile guesses that from its size and gives no more than so many. Such a part is given out as far larger than it is:
/// then its data's end is the end. The file's last 128 bytes are asked for first, for a tag; of such a part they are zeros.
/// </remarks>
internal sealed unsafe class SndFileRange : IDisposable
{
    /// <summary>Between the largest and the smallest bit rate of MPEG audio lies a factor of 56.</summary>
    private const int Enlargement = 64;
    private const int TagBytes = 128;

    private readonly FileStream file;
    private readonly SoundPart part;
    private readonly long length;
    private GCHandle self;
    private long position;

    public SndFileRange(string path, SoundPart part)
    {
        file = InputFile.Open(path);
        this.part = part;
        length = part.SaysLength ? part.Bytes : part.Bytes * Enlargement;
        self = GCHandle.Alloc(this);
    }

    /// <summary>What went wrong when the library asked for bytes: an exception must not pass through it.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Opens the part; the handle must be closed before this is disposed of.</summary>
    public nint Open(ref SndFile.Info info)
    {
        var calls = new Calls { Length = &OnLength, Seek = &OnSeek, Read = &OnRead, Write = &OnWrite, Tell = &OnTell };
        return SndFile.OpenVirtual(&calls, SndFile.ReadMode, ref info, GCHandle.ToIntPtr(self));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        file.Dispose();
        if (self.IsAllocated)
            self.Free();
    }

    private long Read(Span<byte> bytes)
    {
        int count = 0;
        if (position < part.Bytes)
        {
            try
            {
                file.Position = part.Offset + position;
                bytes = bytes[..(int)Math.Min(bytes.Length, part.Bytes - position)];
                count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
                Correct(bytes[..count]);
            }
            catch (Exception exception)
            {
                Fault ??= exception;
            }
        }
        else if (position >= length - TagBytes)
        {
            count = (int)Math.Min(bytes.Length, length - position);
            bytes[..count].Clear();
        }
        position += count;
        return count;
    }

    /// <summary>Puts the right number, or as much of it as lies here, in the wrong one's place.</summary>
    private void Correct(Span<byte> bytes)
    {
        if (part.Correction is not { } correction)
            return;
        for (int i = 0; i < sizeof(uint); i++)
        {
            long at = correction.At + i - position;
            if (at >= 0 && at < bytes.Length)
                bytes[(int)at] = (byte)(correction.Number >> 8 * (sizeof(uint) - 1 - i));
        }
    }

    private static SndFileRange Of(nint userData) => (SndFileRange)GCHandle.FromIntPtr(userData).Target!;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static long OnLength(nint userData) => Of(userData).length;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static long OnSeek(long offset, int origin, nint userData)
    {
        SndFileRange range = Of(userData);
        return range.position = Math.Max(0, offset + (SeekOrigin)origin switch { SeekOrigin.Begin => 0, SeekOrigin.Current => range.position, _ => range.length });
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static long OnRead(byte* bytes, long count, nint userData) => Of(userData).Read(new Span<byte>(bytes, (int)Math.Min(count, int.MaxValue)));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static long OnWrite(byte* bytes, long count, nint userData) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static long OnTell(nint userData) => Of(userData).position;

    /// <summary>SF_VIRTUAL_IO of sndfile.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Calls
    {
        public delegate* unmanaged[Cdecl]<nint, long> Length;
        public delegate* unmanaged[Cdecl]<long, int, nint, long> Seek;
        public delegate* unmanaged[Cdecl]<byte*, long, nint, long> Read;
        public delegate* unmanaged[Cdecl]<byte*, long, nint, long> Write;
        public delegate* unmanaged[Cdecl]<nint, long> Tell;
    }
}
