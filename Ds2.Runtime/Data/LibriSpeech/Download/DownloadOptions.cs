namespace Ds2.Runtime.Data.LibriSpeech.Download;

/// <summary>What to download, from where, to where.</summary>
/// <param name="Target">The data set's folder.</param>
/// <param name="Mirror">The address of the folder that the archives are in.</param>
/// <param name="Archives">The archives.</param>
public sealed record DownloadOptions(string Target, Uri Mirror, IReadOnlyList<LibriSpeechArchive> Archives)
{
    /// <summary>Where OpenSLR has LibriSpeech.</summary>
    public static Uri OpenSlr { get; } = new("https://www.openslr.org/resources/12/");

    /// <summary>Archives that are fetched at a time.</summary>
    public int AtATime { get; init; } = 3;

    /// <summary>How long a server may send nothing.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often a transfer that brings nothing new is tried again.</summary>
    public int Retries { get; init; } = 8;

    /// <summary>The wait before the first of them; it doubles with each, to a minute at most.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The bytes that are free on the disk of a folder.</summary>
    public Func<string, long> FreeSpace { get; init; } = folder => new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;

    /// <summary>The address of an archive.</summary>
    /// <param name="archive">The archive.</param>
    public Uri AddressOf(LibriSpeechArchive archive)
    {
        ArgumentNullException.ThrowIfNull(archive);
        return new Uri(Mirror.AbsoluteUri.TrimEnd('/') + "/" + archive.Name);
    }
}
