using Ds2.Runtime.Safetensors;

namespace Ds2.Tests.Model;

/// <summary>Files of models and runs, written again with something changed.</summary>
internal static class StoredModel
{
    /// <summary>The file's metadata, its checksum apart.</summary>
    public static Dictionary<string, string> MetadataOf(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return file.Header.Metadata.Where(pair => pair.Key != SafetensorsFile.ChecksumKey).ToDictionary();
    }

    /// <summary>Writes a file's tensors to another place, with other metadata, and with a tensor of two values more.</summary>
    public static void Copy(string from, string to, IReadOnlyDictionary<string, string> metadata, string? additional = null)
    {
        using var file = SafetensorsFile.Open(from);
        List<SafetensorsEntry> entries =
            [.. file.Header.Tensors.Select(tensor => SafetensorsEntry.Of<float>(tensor.Name, [.. tensor.Shape], file.Read<float>(tensor.Name)))];
        if (additional is not null)
            entries.Add(SafetensorsEntry.Of<float>(additional, [2], new float[2]));
        SafetensorsFile.Write(to, metadata, entries, checksum: true);
    }
}
