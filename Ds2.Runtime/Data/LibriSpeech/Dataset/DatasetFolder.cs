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
        && TryMembers(split) is { } members && members.SelectMany(FilesOf).All(name => list.Files.ContainsKey(name) && File.Exists(PathOf(name)));

    /// <summary>A split's utterances, by their paths in the data set.</summary>
    public IReadOnlyList<(string Wav, string Text)> Members(string split)
    {
        using var reader = new ManifestReader(PathOf(ManifestName(split)));
        var members = new List<(string, string)>();
        while (reader.Read())
            members.Add((reader.Audio.ToString(), reader.Text.ToString()));
        return members;
    }

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
            (string Wav, string Text)[] members = [.. splits.Where(split => LibriSpeechTree.SetOf(split) == set).SelectMany(Members)];
            if (members.Length == 0)
                continue;
            // What the splits' manifests are sorted by, read off the files: WAV as Ds2 writes it has its samples after a header of fixed size.
            WriteManifest(set, members.Select(member => (SamplesOf(member.Wav), member)));
            manifests.Add(PathOf(ManifestName(set)));
        }
        list.Write(folder);
        return manifests;
    }

    private void AddSplit(string split, PreparedUtterance[] utterances)
    {
        if (list.Files.ContainsKey(ManifestName(split)) && File.Exists(PathOf(ManifestName(split))))
        {
            foreach (string name in (TryMembers(split) ?? []).SelectMany(FilesOf))
                list.Files.Remove(name);
        }
        WriteManifest(split, utterances.Select(u => (u.Samples, (u.Wav, u.Text))));
        foreach (PreparedUtterance utterance in utterances)
        {
            list.Files[utterance.Wav] = utterance.WavDigest;
            list.Files[utterance.Text] = utterance.TextDigest;
        }
    }

    private void WriteManifest(string name, IEnumerable<(long Samples, (string Wav, string Text) Member)> entries)
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(
            entries.Select(entry => (entry.Samples, Line: ManifestFile.Line(entry.Member.Wav, entry.Member.Text)))
                .OrderBy(entry => entry.Samples).ThenBy(entry => entry.Line, StringComparer.Ordinal).Select(entry => entry.Line + "\n")));
        string path = PathOf(ManifestName(name));
        AtomicFile.Write(path, stream => stream.Write(text));
        list.Files[ManifestName(name)] = ChecksumList.Digest(File.ReadAllBytes(path));
    }

    /// <summary>The same; null where the manifest is damaged, as it is about to be written anew.</summary>
    private IReadOnlyList<(string Wav, string Text)>? TryMembers(string split)
    {
        try
        {
            return Members(split);
        }
        catch (InputException)
        {
            return null;
        }
    }

    private static string[] FilesOf((string Wav, string Text) member) => [member.Wav, member.Text];

    private long SamplesOf(string wav) => WavWriter.SamplesOf(new FileInfo(PathOf(wav)).Length);

    private string PathOf(string name) => Path.Combine(folder, name);

    private static string? NameOf(string file) =>
        file.StartsWith("libri_", StringComparison.Ordinal) && file.EndsWith("_manifest.csv", StringComparison.Ordinal) ? file[6..^13] : null;
}
