using System.Text;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech.Dataset;

/// <summary>A data set on disk: which splits of LibriSpeech it holds whole, and how one is added.</summary>
/// <remarks>
/// A split counts once the list of checksums names its manifest. The list is replaced last, in one step, after the disk has everything that it names:
/// whenever the process or the machine dies, the splits that the list has are whole, and of others it says nothing.
/// </remarks>
internal sealed class DatasetFolder
{
    private static readonly string[] Sets = ["train", "val", "test"];

    private readonly string folder;
    private readonly ChecksumList list;

    private DatasetFolder(string folder, ChecksumList list) => (this.folder, this.list) = (folder, list);

    /// <summary>The splits that are whole, in the order of their names.</summary>
    public IEnumerable<string> Splits => list.Files.Keys.Select(NameOf).OfType<string>()
        .Where(name => LibriSpeechTree.SetOf(name) is not null && File.Exists(PathOf(ManifestName(name))));

    /// <summary>Opens a data set; a folder without a list, or none at all, is an empty one.</summary>
    /// <exception cref="InputException">The list of checksums is damaged.</exception>
    public static DatasetFolder Open(string folder) => new(folder, ChecksumList.TryRead(folder) ?? new ChecksumList());

    public static string ManifestName(string name) => $"libri_{name}_manifest.csv";

    /// <summary>The files that the list has and the disk has not.</summary>
    public IEnumerable<string> Missing() => list.Files.Keys.Where(name => !File.Exists(Path.Combine(folder, name)));

    /// <summary>Whether a split came from an archive with this sum, and all its files are still there.</summary>
    public bool Holds(string split, string archive, string digest) =>
        list.Archives.GetValueOrDefault(archive) == digest && Splits.Contains(split)
        && Members(split).All(line => line.Split(',').All(name => list.Files.ContainsKey(name) && File.Exists(PathOf(name))));

    /// <summary>The lines 'wav path,text path' of a split's manifest.</summary>
    public string[] Members(string split) => InputFile.ReadLines(PathOf(ManifestName(split)));

    /// <summary>Adds splits, or replaces them: writes their manifests, those of the sets, and the list of checksums.</summary>
    /// <param name="utterances">All utterances of those splits, their files being on disk.</param>
    /// <param name="archives">The archives' sums, by the archives' names; empty where there were none.</param>
    /// <returns>The manifests of the sets that have utterances, training first.</returns>
    public IReadOnlyList<string> Add(IReadOnlyCollection<PreparedUtterance> utterances, IReadOnlyDictionary<string, string> archives)
    {
        DiskSync.Flush();
        foreach (IGrouping<string, PreparedUtterance> split in utterances.GroupBy(u => u.Item.Split))
            AddSplit(split.Key, [.. split]);
        foreach ((string name, string digest) in archives)
            list.Archives[name] = digest;
        return Seal();
    }

    /// <summary>Writes the sets' manifests, from those of the splits, and the list.</summary>
    public IReadOnlyList<string> Seal()
    {
        var manifests = new List<string>();
        string[] splits = [.. Splits];
        foreach (string set in Sets)
        {
            string[] lines = [.. splits.Where(split => LibriSpeechTree.SetOf(split) == set).SelectMany(Members)];
            if (lines.Length == 0)
                continue;
            // What the splits' manifests are sorted by, read off the files: WAV as Ds2 writes it has its samples after a header of fixed size.
            WriteManifest(set, lines.Select(line => (SamplesOf(line), line)));
            manifests.Add(PathOf(ManifestName(set)));
        }
        list.Write(folder);
        return manifests;
    }

    private void AddSplit(string split, PreparedUtterance[] utterances)
    {
        if (list.Files.ContainsKey(ManifestName(split)) && File.Exists(PathOf(ManifestName(split))))
        {
            foreach (string name in Members(split).SelectMany(line => line.Split(',')))
                list.Files.Remove(name);
        }
        WriteManifest(split, utterances.Select(u => (u.Samples, $"{u.Wav},{u.Text}")));
        foreach (PreparedUtterance utterance in utterances)
        {
            list.Files[utterance.Wav] = utterance.WavDigest;
            list.Files[utterance.Text] = utterance.TextDigest;
        }
    }

    private void WriteManifest(string name, IEnumerable<(long Samples, string Line)> entries)
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(
            entries.OrderBy(entry => entry.Samples).ThenBy(entry => entry.Line, StringComparer.Ordinal).Select(entry => entry.Line + "\n")));
        string path = PathOf(ManifestName(name));
        AtomicFile.Write(path, stream => stream.Write(text));
        list.Files[ManifestName(name)] = ChecksumList.Digest(File.ReadAllBytes(path));
    }

    private long SamplesOf(string line) => WavWriter.SamplesOf(new FileInfo(PathOf(line.Split(',')[0])).Length);

    private string PathOf(string name) => Path.Combine(folder, name);

    private static string? NameOf(string file) =>
        file.StartsWith("libri_", StringComparison.Ordinal) && file.EndsWith("_manifest.csv", StringComparison.Ordinal) ? file[6..^13] : null;
}
