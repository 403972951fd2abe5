using System.Buffers.Binary;
using System.Text.Json;

namespace Ds2.Runtime.Safetensors;

/// <summary>One tensor as a safetensors file's header declares it.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Type">The element type.</param>
/// <param name="Shape">The sizes, outermost first; none for a scalar.</param>
/// <param name="Offset">The file offset of the first byte.</param>
/// <param name="Bytes">The bytes of the data: the elements times the type's size.</param>
public sealed record SafetensorsTensor(string Name, SafetensorsType Type, IReadOnlyList<int> Shape, long Offset, long Bytes)
{
    /// <summary>The number of elements.</summary>
    public int Elements => (int)(Bytes / Type.Size());
}

/// <summary>What a safetensors file says about itself: its metadata and its tensors, checked against the file's length.</summary>
/// <remarks>
/// The format (huggingface/safetensors): the header's length as a little-endian u64; the header, a JSON object of
/// <c>name: {"dtype", "shape", "data_offsets": [begin, end]}</c> with an optional <c>"__metadata__"</c> of strings; then the data, which the offsets
/// count from and must cover without a gap or an overlap.
/// </remarks>
public sealed class SafetensorsHeader
{
    /// <summary>The longest header accepted, as in the format's own implementation: a corrupt length must not become an allocation.</summary>
    internal const long MaxHeaderBytes = 100_000_000;

    private const string MetadataKey = "__metadata__";

    private SafetensorsHeader(int dataStart, Dictionary<string, string> metadata, List<SafetensorsTensor> tensors)
    {
        DataStart = dataStart;
        Metadata = metadata;
        Tensors = tensors;
    }

    /// <summary>The free text entries.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsTensor> Tensors { get; }

    /// <summary>The length of the header, its own length included: where the data begin.</summary>
    internal int DataStart { get; }

    /// <summary>The header of a file with these entries, whose data follow it in this order: length, JSON, padding to 8 bytes.</summary>
    /// <exception cref="ArgumentException">Two entries have one name, or one is named like the metadata.</exception>
    internal static byte[] Encode(IReadOnlyDictionary<string, string> metadata, IReadOnlyList<SafetensorsEntry> entries)
    {
        using var json = new MemoryStream();
        json.Write(stackalloc byte[sizeof(ulong)]);
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            if (metadata.Count > 0)
            {
                writer.WriteStartObject(MetadataKey);
                foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                    writer.WriteString(key, value);
                writer.WriteEndObject();
            }
            var names = new HashSet<string>();
            long begin = 0;
            foreach (SafetensorsEntry entry in entries)
            {
                if (entry.Name == MetadataKey || !names.Add(entry.Name))
                    throw new ArgumentException($"a safetensors file cannot hold a tensor '{entry.Name}' (again)", nameof(entries));
                WriteTensor(writer, entry, begin);
                begin += entry.Bytes;
            }
            writer.WriteEndObject();
        }
        while (json.Length % 8 != 0)
            json.WriteByte((byte)' ');

        byte[] header = json.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - sizeof(ulong)));
        return header;
    }

    /// <summary>Reads and checks the header of an open file.</summary>
    /// <exception cref="InputException">The file is none of this format, or contradicts itself.</exception>
    internal static SafetensorsHeader Decode(string path, Stream file)
    {
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        if (file.ReadAtLeast(length, length.Length, throwOnEndOfStream: false) < length.Length)
            throw Malformed(path, $"{file.Length} bytes are too few for its header");
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(length);
        if (headerBytes > MaxHeaderBytes || (long)headerBytes > file.Length - sizeof(ulong))
            throw Malformed(path, $"its header claims {headerBytes} bytes of a file of {file.Length}");

        var header = new byte[headerBytes];
        file.ReadExactly(header);
        try
        {
            using JsonDocument json = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Decode(path, json.RootElement, dataStart: sizeof(ulong) + (long)headerBytes, file.Length);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second comes from names that are no Unicode.
            throw Malformed(path, "its header is no JSON, or names a tensor twice", e);
        }
    }

    /// <summary>The one line that tells a user which file is no good, and why.</summary>
    internal static InputException Malformed(string path, string what, Exception? inner = null) =>
        new($"{path}: not a whole safetensors file: {what}", inner);

    private static SafetensorsHeader Decode(string path, JsonElement root, long dataStart, long fileBytes)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw Malformed(path, "its header is no JSON object");
        var metadata = new Dictionary<string, string>();
        var tensors = new List<SafetensorsTensor>();
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.Name == MetadataKey)
                ReadMetadata(path, property.Value, metadata);
            else
                tensors.Add(ReadTensor(path, property.Name, property.Value, dataStart, fileBytes));
        }

        // An empty tensor begins where its neighbour does and goes before it.
        tensors.Sort((a, b) => (a.Offset, a.Bytes).CompareTo((b.Offset, b.Bytes)));
        long end = dataStart;
        foreach (SafetensorsTensor tensor in tensors)
        {
            if (tensor.Offset != end)
                throw Malformed(path, $"the data of '{tensor.Name}' {(tensor.Offset < end ? "overlap" : "leave a gap after")} those before");
            end += tensor.Bytes;
        }
        if (end != fileBytes)
            throw Malformed(path, $"its tensors end at byte {end} of {fileBytes}");
        return new SafetensorsHeader((int)dataStart, metadata, tensors);
    }

    private static void ReadMetadata(string path, JsonElement value, Dictionary<string, string> metadata)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Malformed(path, "its metadata are no JSON object");
        foreach (JsonProperty entry in value.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String)
                throw Malformed(path, $"the metadata entry '{entry.Name}' is no text");
            metadata.Add(entry.Name, entry.Value.GetString()!);
        }
    }

    private static SafetensorsTensor ReadTensor(string path, string name, JsonElement value, long dataStart, long fileBytes)
    {
        if (value.ValueKind != JsonValueKind.Object
            || !value.TryGetProperty("dtype", out JsonElement dtype) || dtype.ValueKind != JsonValueKind.String
            || !value.TryGetProperty("shape", out JsonElement shape) || shape.ValueKind != JsonValueKind.Array
            || !value.TryGetProperty("data_offsets", out JsonElement offsets) || offsets.ValueKind != JsonValueKind.Array
            || offsets.GetArrayLength() != 2)
            throw Malformed(path, $"'{name}' lacks its dtype, shape or data_offsets");

        string typeName = dtype.GetString()!;
        if (!Enum.GetNames<SafetensorsType>().Contains(typeName))
            throw new InputException($"{path}: tensor '{name}' has type {typeName}; Ds2 reads {string.Join(", ", Enum.GetNames<SafetensorsType>())}");
        SafetensorsType type = Enum.Parse<SafetensorsType>(typeName);

        var sizes = new List<int>();
        long elements = 1;
        foreach (JsonElement size in shape.EnumerateArray())
        {
            if (size.ValueKind != JsonValueKind.Number || !size.TryGetInt32(out int count) || count < 0)
                throw Malformed(path, $"'{name}' has a size that is no count");
            sizes.Add(count);
            elements *= count;
            if (elements > int.MaxValue)
                throw new InputException($"{path}: tensor '{name}' has more elements than Ds2 can hold");
        }

        if (!TryOffset(offsets[0], out long begin) || !TryOffset(offsets[1], out long end) || end < begin || end > fileBytes - dataStart)
            throw Malformed(path, $"the data of '{name}' lie outside the file of {fileBytes} bytes");
        if (end - begin != elements * type.Size())
            throw Malformed(path, $"'{name}' has {end - begin} bytes for {elements} elements of {type}");
        return new SafetensorsTensor(name, type, sizes, dataStart + begin, end - begin);
    }

    private static bool TryOffset(JsonElement value, out long offset)
    {
        offset = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out offset) && offset >= 0;
    }

    private static void WriteTensor(Utf8JsonWriter writer, SafetensorsEntry entry, long begin)
    {
        writer.WriteStartObject(entry.Name);
        writer.WriteString("dtype", entry.Type.ToString());
        writer.WriteStartArray("shape");
        foreach (int size in entry.Shape)
            writer.WriteNumberValue(size);
        writer.WriteEndArray();
        writer.WriteStartArray("data_offsets");
        writer.WriteNumberValue(begin);
        writer.WriteNumberValue(begin + entry.Bytes);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
