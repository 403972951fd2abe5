using Ds2.Runtime;

namespace Ds2.Train.Reporting.RunFolder;

/// <summary>The manifests of a run.</summary>
/// <param name="Training">The training set's.</param>
/// <param name="Validation">The validation set's.</param>
internal readonly record struct RunManifests(string Training, string Validation)
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "MiniCorpus");

    /// <summary>Those of the built-in corpus, beside the program.</summary>
    public static RunManifests BuiltIn => new(Path.Combine(Folder, "train_manifest.csv"), Path.Combine(Folder, "val_manifest.csv"));

    /// <summary>What a run's folder keeps of one: its whole path; null for the built-in corpus, which lies elsewhere when the program does.</summary>
    public static string? Kept(string manifest) => Path.GetDirectoryName(Path.GetFullPath(manifest)) == Path.GetFullPath(Folder) ? null : Path.GetFullPath(manifest);

    /// <summary>Those of a run's last start; null where that was on the built-in corpus, or the folder does not say.</summary>
    /// <param name="folder">The run's.</param>
    /// <exception cref="InputException">The account of its starts is damaged.</exception>
    public static RunManifests? Of(string folder) => RunStarts.Ask<RunManifests?>(
        folder,
        starts => starts is [.., var last] && (string?)last["trainManifest"] is { } training && (string?)last["valManifest"] is { } validation ? new RunManifests(training, validation) : null,
        "damaged: it does not say what the run was trained on: name its manifests (--train-manifest, --val-manifest)");
}
