using System.CommandLine;
using System.Text;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Files;
using Ds2.Runtime.Training;
using Ds2.Train.Commands.Transcription;
using Ds2.Train.Transcripts;

namespace Ds2.Train.Commands.Adaptation;

/// <summary>A round of <c>adapt</c>: recordings written down by the model that there is, and a model trained on that.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Parent">The folder of all rounds.</param>
internal sealed record AdaptationRound(int Number, string Parent)
{
    private const int Failed = 1;

    private string Folder => Path.Combine(Parent, $"round-{Number}");

    /// <summary>What was written down: written once all is, so that a round that was broken off writes down the rest.</summary>
    private string Manifest => Path.Combine(Folder, "manifest.csv");

    private string Texts => Path.Combine(Folder, "texts");

    private string RunFolder => Path.Combine(Folder, "run");

    /// <summary>The model that it makes.</summary>
    public string Model => new CheckpointPolicy(Path.GetFullPath(RunFolder), TimeSpan.Zero).Latest;

    /// <summary>The utterances that it was trained on as they were written down.</summary>
    public int Heard => ManifestFile.Read(Manifest).Count(entry => entry.TextPath.StartsWith(Path.GetFullPath(Texts) + Path.DirectorySeparatorChar, StringComparison.Ordinal));

    /// <summary>Whether anything was written down.</summary>
    public bool HasTexts => Directory.Exists(Texts) && Directory.EnumerateFiles(Texts, "*", SearchOption.AllDirectories).Any();

    /// <summary>Runs it; what of it is done already stays as it is.</summary>
    /// <param name="utterances">The recordings, each an utterance.</param>
    /// <param name="transcribed">Utterances with transcripts, of which as many as are heard are trained on, too; others in each round.</param>
    /// <param name="model">Writes them down, and is trained.</param>
    /// <param name="decoding">Options of <c>transcribe</c>.</param>
    /// <param name="training">Options of <c>train</c>.</param>
    /// <param name="cancellation">Ends it between two steps; within them each ends itself.</param>
    /// <returns>The program's exit code.</returns>
    /// <exception cref="InputException">Nothing could be heard in any recording, or written down of it.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public int Run(string[] utterances, IReadOnlyList<ManifestEntry> transcribed, string model, string[] decoding, string[] training, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (!File.Exists(Manifest))
        {
            Console.Error.WriteLine($"ds2: round {Number}: writing {utterances.Length} utterances down with {model}");
            int code = Start(["transcribe", .. utterances, "--checkpoint", model, "--out", Texts, .. decoding]);
            // What could not be written down was named; the others can be learnt from.
            if (code is not (0 or Failed))
                return code;
            WriteManifest(RecordingList.Find(utterances, Texts).Recordings, transcribed);
        }

        cancellation.ThrowIfCancellationRequested();
        Console.Error.WriteLine($"ds2: round {Number}: training on that; error rates are against what was written down, not against what was said");
        return Start(["train", "--preset", "cpu", "--init", model, "--train-manifest", Manifest, "--val-manifest", Manifest, "--out", RunFolder, "--resume", RunStart.ResumeAuto, "--lm", "none", TrainCommand.WithoutHints, .. training]);
    }

    private void WriteManifest(IReadOnlyList<ListedRecording> recordings, IReadOnlyList<ManifestEntry> transcribed)
    {
        TranscriptFormat text = TranscriptFormat.Parse("txt");
        ListedRecording[] written = [.. recordings.Where(recording => File.Exists(recording.TextOf(text)))];
        if (written.Length == 0)
            throw new InputException($"{Folder}: none of the recordings could be written down: the lines above say why");
        ListedRecording[] heard = [.. written.Where(recording => new FileInfo(recording.TextOf(text)).Length > 0)];
        if (heard.Length == 0)
            throw new InputException($"{Folder}: the model heard nothing in any of the recordings: there is nothing to train on");
        NoteLeftOut("could not be written down", recordings.Count - written.Length, recordings.Count);
        NoteLeftOut("have nothing in them that was heard", written.Length - heard.Length, recordings.Count);
        int others = Math.Min(heard.Length, transcribed.Count);
        IEnumerable<string> lines =
        [
            .. heard.Select(recording => ManifestFile.Line(recording.Path, Path.GetRelativePath(Folder, recording.TextOf(text)))),
            .. Enumerable.Range(0, others).Select(i => transcribed[(int)(((long)i * transcribed.Count / others + Number) % transcribed.Count)]).Select(entry => ManifestFile.Line(entry.AudioPath, entry.TextPath)),
        ];
        AtomicFile.Write(Manifest, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n")))));
    }

    private void NoteLeftOut(string why, int utterances, int of)
    {
        if (utterances > 0)
            Console.Error.WriteLine($"ds2: round {Number}: {utterances} of {of} utterances {why}; they are left out of its training");
    }

    private static int Start(string[] arguments) =>
        CommandLine.Create().Parse(arguments).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
