using System.Text;
using Ds2.Runtime.Files;
using Ds2.Runtime.Recognition.Long;
using Ds2.Train.Transcripts;

namespace Ds2.Train.Commands.Transcription;

/// <summary>Writes recordings down in files. What cannot be read and what cannot be written is named and counted, and the others are done.</summary>
/// <param name="texts">What is to be written.</param>
/// <param name="by">What writes it down, for the formats that tell it.</param>
internal sealed class TextFiles(RecordingTexts[] texts, TranscribedBy by)
{
    private const int Failed = 1, Interrupted = 130;

    private readonly Dictionary<string, RecordingTexts> byPath = texts.ToDictionary(recording => recording.Recording.Path);
    private readonly TranscriptionProgress progress = new([.. texts.Select(recording => recording.Recording)], Console.Error, !Console.IsErrorRedirected);
    private int unreadable, unwritten;

    /// <summary>Hears the recordings and writes each text as soon as it is known.</summary>
    /// <param name="transcriber">Hears them.</param>
    /// <param name="rate">Of raw PCM on standard input; null for WAV.</param>
    /// <param name="cancellation">Ends it after the batch that is being heard.</param>
    /// <returns>The program's exit code.</returns>
    /// <exception cref="IOException">The disk is full.</exception>
    public int Write(Transcriber transcriber, int? rate, CancellationToken cancellation)
    {
        bool stopped = false;
        try
        {
            foreach (TranscriptionOutcome outcome in transcriber.Run(texts.Select(recording => recording.Source(rate)), (_, seconds) => progress.Hear(seconds), cancellation))
            {
                Write(outcome);
                progress.End(outcome.Source.Name);
            }
        }
        catch (OperationCanceledException)
        {
            stopped = true;
        }
        finally
        {
            progress.Finish();
            if (unreadable > 0)
                progress.Note($"{unreadable} of {texts.Length} recordings could not be read");
            if (unwritten > 0)
                progress.Note($"{unwritten} of {texts.Sum(recording => recording.Formats.Count)} texts could not be written");
        }
        return stopped ? Interrupted : unreadable + unwritten > 0 ? Failed : 0;
    }

    private void Write(TranscriptionOutcome outcome)
    {
        if (outcome.Transcription is not { } transcription)
        {
            unreadable++;
            progress.Note(outcome.Fault!.Message);
            return;
        }
        RecordingTexts wanted = byPath[outcome.Source.Name];
        foreach (TranscriptFormat format in wanted.Formats)
        {
            using var text = new StringWriter();
            format.Writer(by, wanted.Recording.Name).Write(transcription, text);
            Write(wanted.Recording.TextOf(format), Encoding.UTF8.GetBytes(text.ToString()));
        }
    }

    private void Write(string path, byte[] text)
    {
        try
        {
            AtomicFile.Write(path, stream => stream.Write(text));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            string fault = exception.Message.StartsWith(path, StringComparison.Ordinal) ? exception.Message : $"{path}: cannot be written: {exception.Message}";
            // On a full disk all that follow would fail as well, after hours of hearing.
            if (AtomicFile.IsFullDisk(exception))
                throw new IOException(fault, exception);
            unwritten++;
            progress.Note(fault);
        }
    }
}
