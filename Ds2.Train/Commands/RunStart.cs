using Ds2.Runtime;
using Ds2.Runtime.Model;
using Ds2.Runtime.Options;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Train.Reporting.RunFolder;

namespace Ds2.Train.Commands;

/// <summary>What a run begins with: nothing, a checkpoint that it goes on from, or a model whose parameters it takes over.</summary>
internal sealed class RunStart : IDisposable
{
    /// <summary>The value of <c>--resume</c> that stands for what the run's folder holds.</summary>
    public const string ResumeAuto = "auto";

    private RunStart(Checkpoint? resume, ModelFile? initial, Alphabet? asked)
    {
        (Resume, Initial) = (resume, initial);
        Alphabet = asked ?? (Resume?.Model ?? Initial)?.Description.Alphabet ?? Alphabet.English;
    }

    /// <summary>The checkpoint that the run goes on from.</summary>
    public Checkpoint? Resume { get; }

    /// <summary>The model whose parameters and running statistics a fresh run starts with.</summary>
    public ModelFile? Initial { get; }

    /// <summary>What the run's model writes.</summary>
    public Alphabet Alphabet { get; }

    /// <summary>Whether the model that the run begins with writes another alphabet.</summary>
    private bool ChangesAlphabet => Initial is not null && !Initial.Description.Alphabet.Equals(Alphabet);

    /// <summary>Finds out by <c>--resume</c> and <c>--init</c>, and by what the run's folder holds.</summary>
    /// <param name="resume">auto, a checkpoint, or null.</param>
    /// <param name="initial">A model or checkpoint, or null. Where <c>--resume auto</c> finds something, the run has begun already, and goes on from there.</param>
    /// <param name="checkpoints">The run's folder.</param>
    /// <param name="note">Told, in a line, of what the user may not expect.</param>
    /// <param name="alphabet">What the run's model shall write; null for what the file's does, or English.</param>
    /// <exception cref="InputException">A file cannot be used, or the folder holds another run.</exception>
    public static RunStart Find(string? resume, string? initial, CheckpointPolicy checkpoints, Action<string> note, Alphabet? alphabet = null)
    {
        if (resume is not (null or ResumeAuto) && initial is not null)
            throw new InputException("--resume FILE and --init: a run goes on from a checkpoint or begins with a model's parameters, not both");
        string? held = checkpoints.Newest();
        if (resume is null && held is not null)
            throw new InputException($"{checkpoints.Folder}: holds a run already; go on with --resume auto, or name another --out");
        if (held is null && RunRemains.Find(checkpoints.Folder) is { } lost)
            throw new InputException($"{lost}: would be replaced by this run's, and the folder has no checkpoint of the run that it is of; name another --out, or delete it");
        string? from = resume == ResumeAuto ? held : resume;
        if (from is not null)
        {
            if (resume == ResumeAuto && from != checkpoints.Latest)
                note($"{checkpoints.Latest} is gone: going on from {from}");
            if (File.Exists(from) && held is not null && FolderOf(from) != FolderOf(held))
                throw new InputException($"{checkpoints.Folder}: holds another run already; name another --out to go on from {from}");
            var checkpoint = Checkpoint.Open(from);
            if (alphabet is null || alphabet.Equals(checkpoint.Model.Description.Alphabet))
                return new RunStart(checkpoint, null, alphabet);
            checkpoint.Dispose();
            throw new InputException($"{from}: was made with another alphabet: leave --alphabet out to go on with its own, or start a run of its own with --init");
        }

        return new RunStart(null, initial is null ? null : ModelFile.Open(initial), alphabet);
    }

    /// <summary>The options that a preset, files and settings are laid on: those of the checkpoint, or the preset with the architecture of the model that it starts from.</summary>
    /// <param name="preset">The preset; null for the default.</param>
    /// <param name="note">Told where the preset does not count.</param>
    /// <exception cref="InputException">There is no such preset.</exception>
    public RunOptions Basis(string? preset, Action<string> note)
    {
        if (!RunOptions.Presets.TryGetValue(preset ?? "mini", out RunOptions? named))
            throw new InputException($"--preset: '{preset}' is unknown; the presets are {string.Join(", ", RunOptions.Presets.Keys)}");
        return Basis(named, preset, note);
    }

    /// <summary>The options of a choice that was made for the user, with the architecture of the model that the run starts from.</summary>
    public RunOptions Basis(PresetChoice choice) => Basis(choice.Options, null, _ => { });

    private RunOptions Basis(RunOptions named, string? preset, Action<string> note)
    {
        if (Initial is not null)
        {
            RunOptions options = named with { Model = Initial.Description.Options };
            NoteKept("the model keeps its own options", preset is null ? [] : named.ChangesTo(options));
            return options;
        }

        if (Resume is null)
            return named;
        NoteKept("a resumed run keeps its own options", preset is null ? [] : named.ChangesTo(Resume.Options));
        return Resume.Options;

        void NoteKept(string what, IReadOnlyList<OptionChange> kept)
        {
            if (kept.Count > 0)
                note($"{what}; those that are not {preset}'s: {string.Join(", ", kept.Select(change => $"{change.Option.Name}={change.New}"))}");
        }
    }

    /// <summary>Holds what the file was made with against what it is used with.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="note">Told what changes.</param>
    /// <exception cref="InputException">Something differs that the file's tensors depend on.</exception>
    public void Compare(RunOptions options, Action<string> note)
    {
        RunOptions? old = Resume?.Options ?? (Initial is null ? null : options with { Model = Initial.Description.Options });
        if (old is null)
            return;
        IReadOnlyList<OptionChange> changes = old.ChangesTo(options);
        if (changes.FirstOrDefault(change => change.Option.OnResume == ResumeRule.Fixed) is { } refused)
            throw new InputException(
                $"{(Resume?.Model ?? Initial)!.Path}: was made with {refused.Option.Name}={refused.Old}, not {refused.New}: what it holds would mean something else; "
                + "leave the option out, or start a run of its own");
        if (changes.Count > 0)
            note($"goes on with other options: {string.Join(", ", changes)}");
    }

    /// <summary>What the run's model is; the training set's figures are those that the file has, if features are normalized by them.</summary>
    public ModelDescription Describe(RunOptions options) => new(options.Model, Alphabet, (Resume?.Model ?? Initial)?.Description.FeatureStatistics);

    /// <summary>The model on its device: with the file's values, which a checkpoint's optimiser follows later, or new.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="engine">The device.</param>
    /// <param name="note">Told where the output layer begins anew.</param>
    /// <exception cref="InputException">The file is of another model, or the model is too large.</exception>
    public DeepSpeech2 CreateModel(RunOptions options, IEngine engine, Action<string> note)
    {
        bool begins = Resume is null && (Initial is null || ChangesAlphabet);
        try
        {
            var model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet), engine, begins ? options.Training.Seed : null);
            try
            {
                if (ChangesAlphabet)
                    NoteAlphabet(Initial!.Restore(model, Alphabet), note);
                else
                    Initial?.Restore(model);
                return model;
            }
            catch
            {
                model.Dispose();
                throw;
            }
        }
        catch (OverflowException exception)
        {
            throw new InputException(
                $"the model is too large: hidden={options.Model.Hidden}, channels={options.Model.Channels}, layers={options.Model.Layers} make more than 2^31 values", exception);
        }
    }

    public void Dispose()
    {
        Resume?.Dispose();
        Initial?.Dispose();
    }

    private void NoteAlphabet(IReadOnlyList<string> anew, Action<string> note) => note(
        $"{Initial!.Path} writes another alphabet: in the output layer {Alphabet.Size - anew.Count} of {Alphabet.Size} labels keep their rows"
        + (anew.Count > 0 ? $", {anew.Count} begin anew: {string.Join(' ', anew.Select(label => label == " " ? "the space" : label))}" : ""));

    private static string FolderOf(string file) => Path.GetDirectoryName(Path.GetFullPath(file))!;
}
