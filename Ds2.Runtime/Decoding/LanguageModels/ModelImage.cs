using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>The bytes of a compiled model: memory of our own, or a file mapped into memory, of which only what is used is ever read.</summary>
internal sealed unsafe class ModelImage : IDisposable
{
    private readonly MemoryMappedFile? file;
    private readonly MemoryMappedViewAccessor? view;
    private bool disposed;

    /// <summary>Memory of zeros.</summary>
    /// <param name="length">Bytes.</param>
    /// <exception cref="OutOfMemoryException">There is not as much.</exception>
    public ModelImage(long length)
    {
        Length = length;
        Data = (byte*)NativeMemory.AllocZeroed((nuint)length);
    }

    private ModelImage(MemoryMappedFile file, MemoryMappedViewAccessor view, long length)
    {
        this.file = file;
        this.view = view;
        Length = length;
        byte* data = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref data);
        Data = data + view.PointerOffset;
    }

    /// <summary>Frees memory that nobody disposed of.</summary>
    ~ModelImage() => Free();

    /// <summary>The first byte.</summary>
    public byte* Data { get; }

    /// <summary>How many there are.</summary>
    public long Length { get; }

    /// <summary>Maps a file.</summary>
    /// <exception cref="InputException">It cannot be opened.</exception>
    public static ModelImage Map(string path, long length) => InputFile.Guard(path, () =>
    {
        MemoryMappedFile file = MemoryMappedFile.CreateFromFile(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete), null, 0,
            MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        MemoryMappedViewAccessor view;
        try
        {
            view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        }
        catch (UnauthorizedAccessException exception)
        {
            file.Dispose();
            throw new InputException($"{path}: truncated: it has become shorter while it was opened", exception);
        }
        catch
        {
            file.Dispose();
            throw;
        }

        // Not before: what has a finalizer must be whole, or that ends the process.
        return new ModelImage(file, view, length);
    });

    /// <summary>A part of it, of at most 2 GB.</summary>
    public Span<byte> Span(long offset, long length) => new(Data + offset, checked((int)length));

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (disposed)
            return;
        disposed = true;
        if (file is null)
        {
            NativeMemory.Free(Data);
            return;
        }
        view!.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }
}
