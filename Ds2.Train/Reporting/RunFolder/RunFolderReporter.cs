using System.Diagnostics;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Files;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting.RunFolder;

/// <summary>Leaves in a run's folder what it was started with, the language model of its transcripts, and the transcripts and errors of its last evaluation.</summary>
internal sealed class RunFolderReporter : IRunReporter
{
    public const string Options = "options.json";
    public const string Transcripts = "transcripts.tsv";

    /// <summary>What of the training set is not trained on: the run's data leave it there.</summary>
    public const string LeftOut = "left-out.tsv";

    // Names of devices and paths are to be read by people, and no browser reads this file.
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Epochs of a few milliseconds need not say each where their errors are.</summary>
    private static readonly TimeSpan LeastInterval = TimeSpan.FromSeconds(1);

    /// <summary>What the start was to leave and could not yet, on a full disk say.</summary>
    private readonly Queue<(string Path, Action<Stream> Write)> unwritten = [];

    private string folder = "";
    private EvaluationResult? unwrittenErrors;
    private long lastErrors;

    public void Start(RunSetup run)
    {
        folder = run.Folder;
        Enqueue(run.PathOf(Options), run.Options.ToJson());
        Enqueue(run.PathOf(RunStarts.FileName), JsonSerializer.Serialize(Starts(run), Json));
        string words = run.PathOf(TranscriptModel.FileName);
        // Never over itself: other ranks may have it mapped, on machines that would lose it so.
        if (run.Words is { } own && (own.File is null || FileIdentity.Of(own.File) != FileIdentity.Of(words)))
            unwritten.Enqueue((words, own.Model.WriteTo));
        WriteStart();
        // Of a run that ended before its first epoch's end: it is not this one's.
        if (run.Resume is null && run.Words is null)
            File.Delete(words);
    }

    public void OnEpoch(EpochReport report, EvaluationResult evaluation)
    {
        unwrittenErrors = evaluation;
        TranscriptFile.Write(Path.Combine(folder, Transcripts), evaluation);
        if (lastErrors == 0 || Stopwatch.GetElapsedTime(lastErrors) >= LeastInterval)
            WriteErrors();
        // Last, as it may be the larger file, for which a disk has no room.
        WriteStart();
    }

    public void End(TrainingResult result) => WriteErrors();

    /// <summary>A run that ends in an exception has the errors of its last evaluation, too.</summary>
    public void Dispose() => WriteErrors();

    /// <summary>Every start of the run, this one last; an earlier run's in the same folder do not count.</summary>
    private static JsonNode[] Starts(RunSetup run)
    {
        JsonObject[] before = run.Resume is null ? [] : RunStarts.Ask(run.Folder, starts => starts, "not valid JSON of a run's starts: delete it, or mend it");
        return [.. before, JsonSerializer.SerializeToNode(RunEnvironment.Of(run), Json)!];
    }

    private void WriteErrors()
    {
        if (unwrittenErrors is null)
            return;
        ErrorFiles.Write(Path.Combine(folder, ErrorFiles.FolderName), unwrittenErrors.Details);
        unwrittenErrors = null;
        lastErrors = Stopwatch.GetTimestamp();
    }

    private void Enqueue(string path, string text) => unwritten.Enqueue((path, stream => stream.Write(Encoding.UTF8.GetBytes(text + "\n"))));

    private void WriteStart()
    {
        while (unwritten.TryPeek(out (string Path, Action<Stream> Write) file))
        {
            AtomicFile.Write(file.Path, file.Write);
            unwritten.Dequeue();
        }
    }
}
