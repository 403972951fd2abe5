using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Safetensors;

/// <summary>An open safetensors file, whose tensors are read when they are asked for; and the way to write one.</summary>
/// <remarks>The format is little-endian, as is every machine that Ds2 runs on: data are copied as they lie. Python's safetensors and PyTorch read the same files.</remarks>
public sealed class SafetensorsFile : IDisposable
{
    /// <summary>The metadata entry with the file's SHA-256 sum, as it is with zeros in the sum's own place.</summary>
    internal const string ChecksumKey = "ds2.sha256";

    private static readonly string NoChecksum = new('0', 2 * SHA256.HashSizeInBytes);

    private readonly string path;
    private readonly FileStream stream;
    private readonly Dictionary<string, SafetensorsTensor> tensors;

    private SafetensorsFile(string path, FileStream stream, SafetensorsHeader header)
    {
        this.path = path;
        this.stream = stream;
        Header = header;
        tensors = header.Tensors.ToDictionary(tensor => tensor.Name);
    }

    /// <summary>What the file holds.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>Writes a file whole or not at all: see <see cref="AtomicFile.Write"/>.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="metadata">Free text entries.</param>
    /// <param name="entries">The tensors. Their data follow each other by falling element size, else in this order, so that each is aligned to its elements.</param>
    /// <param name="checksum">Whether the metadata get an entry with the file's SHA-256 sum, which <see cref="RequireIntact"/> checks.</param>
    /// <exception cref="ArgumentException">Two entries have one name.</exception>
    /// <exception cref="IOException">The file cannot be written; an earlier one stays.</exception>
    public static void Write(
        string path, IReadOnlyDictionary<string, string> metadata, IReadOnlyList<SafetensorsEntry> entries, bool checksum = false)
    {
        SafetensorsEntry[] ordered = [.. entries.OrderByDescending(entry => entry.Type.Size())];
        if (checksum)
            metadata = new Dictionary<string, string>(metadata) { [ChecksumKey] = NoChecksum };
        byte[] header = SafetensorsHeader.Encode(metadata, ordered);
        AtomicFile.Write(path, file =>
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            Write(header);
            foreach (SafetensorsEntry entry in ordered)
                entry.Write(Write);
            if (!checksum)
                return;
            file.Position = ChecksumPlace(header, NoChecksum);
            file.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset())));

            void Write(ReadOnlySpan<byte> bytes)
            {
                file.Write(bytes);
                if (checksum)
                    hash.AppendData(bytes);
            }
        });
    }

    /// <summary>Reads the whole file and holds it against its sum: a flipped bit in a tensor is a tensor too.</summary>
    /// <exception cref="InputException">The file has no sum, has another, or cannot be read.</exception>
    public void RequireIntact()
    {
        string expected = Header.Metadata.GetValueOrDefault(ChecksumKey, "");
        byte[] block = ArrayPool<byte>.Shared.Rent(SafetensorsEntry.PartBytes);
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var header = new byte[Header.DataStart];
            Read(0, header);
            int place = expected.Length == NoChecksum.Length ? ChecksumPlace(header, expected) : -1;
            if (place < 0)
                throw new InputException($"{path}: damaged: it does not say its SHA-256 sum");
            Encoding.ASCII.GetBytes(NoChecksum, header.AsSpan(place));
            hash.AppendData(header);
            for (long at = header.Length; at < stream.Length;)
            {
                Span<byte> part = block.AsSpan(0, (int)Math.Min(block.Length, stream.Length - at));
                Read(at, part);
                hash.AppendData(part);
                at += part.Length;
            }

            if (Convert.ToHexStringLower(hash.GetHashAndReset()) != expected)
                throw new InputException($"{path}: damaged: its content does not have the SHA-256 sum that it says");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    /// <summary>Opens a file and checks its header against its length.</summary>
    /// <exception cref="InputException">The file is missing, unreadable, or no whole safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        FileStream? stream = null;
        try
        {
            if (!File.Exists(path))
                throw InputException.NoFile(path);
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            return new SafetensorsFile(path, stream, SafetensorsHeader.Decode(path, stream));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            stream?.Dispose();
            throw new InputException($"{path}: cannot be read: {e.Message}", e);
        }
        catch
        {
            stream?.Dispose();
            throw;
        }
    }

    /// <summary>What a file holds, without its data.</summary>
    /// <exception cref="InputException">The file is missing, unreadable, or no whole safetensors file.</exception>
    public static SafetensorsHeader ReadHeader(string path)
    {
        using SafetensorsFile file = Open(path);
        return file.Header;
    }

    /// <summary>Whether the file holds a tensor of that name.</summary>
    public bool Contains(string name) => tensors.ContainsKey(name);

    /// <summary>A tensor's elements in row-major order, in a new array.</summary>
    /// <exception cref="InputException">There is none of that name, its type is another, or the file cannot be read.</exception>
    public T[] Read<T>(string name)
        where T : unmanaged
    {
        var data = new T[Find<T>(name).Elements];
        ReadInto(name, data.AsSpan());
        return data;
    }

    /// <summary>Copies a tensor's elements to host memory.</summary>
    /// <exception cref="InputException">There is none of that name, its type or length is another, or the file cannot be read.</exception>
    public void ReadInto<T>(string name, Span<T> destination)
        where T : unmanaged
    {
        SafetensorsTensor tensor = Find<T>(name);
        if (tensor.Elements != destination.Length)
            throw new InputException($"{path}: tensor '{name}' has {tensor.Elements} elements, where {destination.Length} are wanted");
        Read(tensor.Offset, MemoryMarshal.AsBytes(destination));
    }

    /// <summary>Copies a tensor's elements to an engine's tensor of the same shape, in parts.</summary>
    /// <exception cref="InputException">There is none of that name, its type or shape is another, or the file cannot be read.</exception>
    public void ReadInto<T>(string name, Tensor<T> destination)
        where T : unmanaged
    {
        SafetensorsTensor tensor = Find<T>(name);
        string shape = $"[{string.Join(", ", tensor.Shape)}]";
        if (shape != destination.Shape.ToString())
            throw new InputException($"{path}: tensor '{name}' is {shape}, where {destination.Shape} is wanted");
        ReadInto(name, 0, destination);
    }

    /// <summary>Copies some of a tensor's elements to an engine's tensor, in parts.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="first">The row-major index of the first element.</param>
    /// <param name="destination">Overwritten; of any shape.</param>
    /// <exception cref="InputException">There is none of that name, its type is another, it ends before, or the file cannot be read.</exception>
    public void ReadInto<T>(string name, int first, Tensor<T> destination)
        where T : unmanaged
    {
        SafetensorsTensor tensor = Find<T>(name);
        if (first < 0 || first > tensor.Elements - destination.Length)
            throw new InputException($"{path}: tensor '{name}' has {tensor.Elements} elements, where {destination.Length} from {first} on are wanted");
        int size = tensor.Type.Size();
        var buffer = new T[Math.Min(destination.Length, SafetensorsEntry.PartBytes / size)];
        Tensor<T> flat = destination.Reshape(new Shape(destination.Length));
        for (int offset = 0; offset < flat.Length; offset += buffer.Length)
        {
            Span<T> part = buffer.AsSpan(0, Math.Min(buffer.Length, flat.Length - offset));
            Read(tensor.Offset + (long)(first + offset) * size, MemoryMarshal.AsBytes(part));
            flat.Slice(offset, new Shape(part.Length)).CopyFrom(part);
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => stream.Dispose();

    private static int ChecksumPlace(ReadOnlySpan<byte> header, string value)
    {
        string before = $"\"{ChecksumKey}\":\"";
        int start = header.IndexOf(Encoding.UTF8.GetBytes(before + value));
        return start < 0 ? start : start + before.Length;
    }

    private SafetensorsTensor Find<T>(string name)
        where T : unmanaged
    {
        if (!tensors.TryGetValue(name, out SafetensorsTensor? tensor))
            throw new InputException($"{path}: holds no tensor '{name}'");
        SafetensorsType type = SafetensorsTypes.Of<T>();
        if (tensor.Type != type)
            throw new InputException($"{path}: tensor '{name}' has type {tensor.Type}, where {type} is wanted");
        return tensor;
    }

    private void Read(long offset, Span<byte> destination)
    {
        try
        {
            stream.Position = offset;
            stream.ReadExactly(destination);
        }
        catch (IOException e)
        {
            throw new InputException($"{path}: cannot be read: {e.Message}", e);
        }
    }
}
