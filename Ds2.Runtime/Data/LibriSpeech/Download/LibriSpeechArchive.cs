using System.Text.RegularExpressions;
using Ds2.Runtime.Data.LibriSpeech.Dataset;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech.Download;

/// <summary>One of LibriSpeech's archives.</summary>
/// <param name="Name">dev-clean.tar.gz, ….</param>
/// <param name="Digest">Its SHA-256 sum, lower-case hexadecimal.</param>
public sealed partial record LibriSpeechArchive(string Name, string Digest)
{
    private const string Ending = ".tar.gz";

    /// <summary>The seven archives of the benchmark, as OpenSLR serves them (resources/12).</summary>
    public static IReadOnlyList<LibriSpeechArchive> All { get; } =
    [
        new("dev-clean.tar.gz", "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"),
        new("dev-other.tar.gz", "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"),
        new("test-clean.tar.gz", "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"),
        new("test-other.tar.gz", "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29"),
        new("train-clean-100.tar.gz", "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"),
        new("train-clean-360.tar.gz", "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"),
        new("train-other-500.tar.gz", "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"),
    ];

    /// <summary>The split that it holds: dev-clean, ….</summary>
    public string Split => Name[..^Ending.Length];

    /// <summary>Reads a file of lines as sha256sum writes them.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">It is missing or malformed, or names something that is no archive of LibriSpeech's form.</exception>
    public static IReadOnlyList<LibriSpeechArchive> ReadDigests(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var archives = new List<LibriSpeechArchive>();
        int number = 0;
        foreach (string line in InputFile.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line) || line.StartsWith('#'))
                continue;
            string[] parts = line.Split([' ', '\t'], 2, StringSplitOptions.TrimEntries);
            string digest = parts[0].ToLowerInvariant();
            if (parts.Length != 2 || !ChecksumList.IsDigest(digest))
                throw new InputException($"{path}: line {number}: expected 'SHA256  archive.tar.gz', as sha256sum writes it");
            string name = Path.GetFileName(parts[1].TrimStart('*'));
            RequireName(name, $"{path}: line {number}");
            if (archives.Any(archive => archive.Name == name))
                throw new InputException($"{path}: line {number}: {name} is listed twice");
            archives.Add(new LibriSpeechArchive(name, digest));
        }
        return archives.Count > 0 ? archives : throw new InputException($"{path}: lists no archives");
    }

    /// <summary>Picks archives by name, each once, in the order asked for.</summary>
    /// <param name="known">Those whose sums are known.</param>
    /// <param name="names">The names.</param>
    /// <exception cref="InputException">One is not known.</exception>
    public static IReadOnlyList<LibriSpeechArchive> Pick(IReadOnlyList<LibriSpeechArchive> known, IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(known);
        ArgumentNullException.ThrowIfNull(names);
        return
        [
            .. names.Distinct().Select(name => known.FirstOrDefault(archive => archive.Name == name)
                ?? throw new InputException($"--files: no SHA-256 sum is known of '{name}'; known are {string.Join(", ", known.Select(archive => archive.Name))}")),
        ];
    }

    private static void RequireName(string name, string where)
    {
        if (!NameForm().IsMatch(name))
            throw new InputException($"{where}: '{name}' is not of the form train-*{Ending}, dev-*{Ending} or test-*{Ending}");
    }

    [GeneratedRegex(@"\A(train|dev|test)-[a-z0-9-]{1,64}\.tar\.gz\z")]
    private static partial Regex NameForm();
}
