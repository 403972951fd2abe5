using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition.Long;
using Ds2.Train.Commands.Transcription;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands.Adaptation;

/// <summary>Recordings as utterances that can be trained on: short ones as they are, long ones cut at pauses.</summary>
internal static class UtteranceFiles
{
    /// <summary>The files, as whole paths.</summary>
    /// <param name="recordings">The recordings. One that cannot be read is named on stderr and left out.</param>
    /// <param name="model">For which they are cut, as <c>transcribe</c> cuts them.</param>
    /// <param name="pieces">The folder for the pieces of long recordings.</param>
    /// <param name="cancellation">Ends it between two recordings.</param>
    /// <exception cref="InputException">None can be read.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static string[] Of(IReadOnlyList<ListedRecording> recordings, ModelDescription model, string pieces, CancellationToken cancellation)
    {
        var utterances = new List<string>();
        WorkReport.RunBriefly(progress =>
        {
            using IWorkItem work = progress.Begin("looking at recordings", recordings.Count, WorkUnit.Items);
            for (int i = 0; i < recordings.Count; i++, work.Advance(1))
            {
                cancellation.ThrowIfCancellationRequested();
                try
                {
                    utterances.AddRange([.. Of(recordings[i].Path, $"{i:D6}", model, pieces)]);
                }
                catch (InputException exception)
                {
                    string path = recordings[i].Path;
                    progress.Note($"{(exception.Message.StartsWith(path, StringComparison.Ordinal) ? "" : $"{path}: ")}{exception.Message}: left out");
                }
            }

            return 0;
        });
        return utterances.Count > 0 ? [.. utterances] : throw new InputException("none of the recordings can be read");
    }

    private static IEnumerable<string> Of(string path, string name, ModelDescription model, string pieces)
    {
        if (path == RecordingList.StandardInput)
            throw new InputException("-: adapt hears recordings more than once: give it files");
        if (IsUtterance(path))
        {
            yield return Path.GetFullPath(path);
            yield break;
        }

        Directory.CreateDirectory(pieces);
        using SoundReader reader = SoundReader.Open(path);
        int number = 0;
        foreach (SoundPiece piece in new SoundCutter(new PieceCutter(model.Typical)).Read(reader))
        {
            string file = Path.GetFullPath(Path.Combine(pieces, $"{name}-{number++:D4}.wav"));
            WavWriter.Write(file, piece.Samples);
            yield return file;
        }
    }

    /// <summary>Whether a recording is one piece and of a kind that training reads; what only ffmpeg reads is not. Coefficients stay whole.</summary>
    private static bool IsUtterance(string path)
    {
        try
        {
            RecordingInfo info = AudioFile.Probe(path);
            return info.HoldsFeatures || info is { IsReadable: true, Seconds: <= PieceCutter.MostFrames / 100.0 };
        }
        catch (InputException)
        {
            // Whoever cuts it says what is wrong with it.
            return false;
        }
    }
}
