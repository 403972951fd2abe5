using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Ds2.Runtime.Data.LibriSpeech.Download;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data.Download;

/// <summary>Archives in LibriSpeech's layout, in memory.</summary>
internal sealed class TestArchives
{
    public Dictionary<string, byte[]> Files { get; } = [];

    public IReadOnlyList<LibriSpeechArchive> All =>
        [.. Files.OrderBy(file => file.Key, StringComparer.Ordinal).Select(file => new LibriSpeechArchive(file.Key, Digest(file.Value)))];

    /// <summary>What sha256sum would write.</summary>
    public string Digests => string.Concat(All.Select(archive => $"{archive.Digest}  {archive.Name}\n"));

    /// <summary>Three splits of noise.</summary>
    public static TestArchives Noise(int utterances = 4, int samples = 2000)
    {
        var archives = new TestArchives();
        foreach ((string split, int speaker) in new[] { ("train-clean-100", 10), ("dev-clean", 20), ("test-other", 30) })
        {
            archives.Add(split, tar =>
            {
                Add(tar, "LibriSpeech/README.TXT", "not of the split");
                var lines = new StringBuilder();
                for (int i = 0; i < utterances; i++)
                {
                    string id = $"{speaker}-1-{i:0000}";
                    int length = samples + 331 * (i * 7 % utterances);
                    Add(tar, $"LibriSpeech/{split}/{speaker}/1/{id}.flac", FlacBytes.Make(Sounds.Shorts(Sounds.Noise(length, 0.5, speaker + i))));
                    lines.Append($"{id} it's number {(char)('A' + i % 26)}\n");
                }
                Add(tar, $"LibriSpeech/{split}/{speaker}/1/{speaker}-1.trans.txt", lines.ToString());
            });
        }
        return archives;
    }

    /// <summary>The splits of an unpacked LibriSpeech.</summary>
    public static TestArchives Of(string tree)
    {
        var archives = new TestArchives();
        foreach (string split in Directory.GetDirectories(tree).Order(StringComparer.Ordinal))
        {
            archives.Add(Path.GetFileName(split), tar =>
            {
                foreach (string file in Directory.GetFiles(split, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
                    Add(tar, "LibriSpeech/" + Path.GetRelativePath(tree, file), File.ReadAllBytes(file));
            });
        }
        return archives;
    }

    public void Add(string split, Action<TarWriter> write)
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionLevel.Fastest))
        using (var tar = new TarWriter(gzip))
            write(tar);
        Files[$"{split}.tar.gz"] = bytes.ToArray();
    }

    public static void Add(TarWriter tar, string name, byte[] content) =>
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content), ModificationTime = DateTimeOffset.UnixEpoch });

    public static void Add(TarWriter tar, string name, string content) => Add(tar, name, Encoding.UTF8.GetBytes(content));

    public static string Digest(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
