using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Ds2.Runtime.Data;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>Writes recordings of any length down: cut at pauses, the pieces of all of them batched by length, and joined again.</summary>
/// <remarks>Readers cut and extract features on threads of their own; memory is bounded by what may wait for a batch. The recognizer is used by the calling thread alone.</remarks>
public sealed class Transcriber
{
    /// <summary>Batches that may wait: enough that neighbours in length find each other.</summary>
    private const int WaitingBatches = 3;

    private readonly Recognizer recognizer;
    private readonly FeatureExtractor extractor;
    private readonly TypicalUtterance? typical;
    private readonly TranscriberOptions options;
    private readonly Alphabet alphabet;
    private readonly WordAligner aligner;
    private readonly int classes;

    /// <summary>Finds alternatives and confidences; null where none are asked for.</summary>
    private readonly BeamDecoder? beam;

    /// <summary>Says how sure words are by what was heard alone; null where no confidences are asked for, or the other one says so itself.</summary>
    private readonly BeamDecoder? acoustic;

    /// <summary>A transcriber.</summary>
    /// <param name="recognizer">Hears the pieces; it stays the caller's. Alternatives and confidences are those of its search, if it has one, else of a search without a language model; confidences beside a language model are of both (<see cref="WordPosteriors"/>).</param>
    /// <param name="description">Of the recognizer's model.</param>
    /// <param name="options">What is wanted of it.</param>
    public Transcriber(Recognizer recognizer, ModelDescription description, TranscriberOptions options)
    {
        ArgumentNullException.ThrowIfNull(recognizer);
        ArgumentNullException.ThrowIfNull(description);
        ArgumentNullException.ThrowIfNull(options);
        this.recognizer = recognizer;
        this.options = options;
        extractor = description.CreateExtractor();
        typical = description.Typical;
        Architecture architecture = description.Architecture;
        classes = architecture.Classes;
        alphabet = description.Alphabet;
        aligner = new WordAligner(alphabet, FrameTimes.Of(architecture));
        beam = options.Confidence || options.Alternatives > 0 ? recognizer.Beam ?? new BeamDecoder(alphabet) : null;
        acoustic = options.Confidence ? beam?.WithoutModel() : null;
    }

    /// <summary>Writes recordings down.</summary>
    /// <param name="sources">The recordings; fetched as they are read.</param>
    /// <param name="heard">Told the seconds of each batch when it is done.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <returns>Each recording as soon as it is done, not necessarily in the order of the sources.</returns>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public IEnumerable<TranscriptionOutcome> Run(IEnumerable<RecordingSource> sources, Action<RecordingSource, double>? heard = null, CancellationToken cancellation = default)
    {
        var pool = new PiecePool((long)(WaitingBatches * options.BatchSeconds * 100), options.Readers);
        var done = new ConcurrentQueue<OpenRecording>();
        var failure = new ConcurrentQueue<Exception>();
        using IEnumerator<RecordingSource> queue = sources.GetEnumerator();
        var turn = new Lock();
        Thread[] readers =
        [
            .. Enumerable.Range(0, options.Readers).Select(_ => new Thread(() => Read(queue, turn, pool, done, failure)) { IsBackground = true, Name = "ds2 reader" }),
        ];
        foreach (Thread reader in readers)
            reader.Start();
        try
        {
            while (true)
            {
                List<WaitingPiece> batch = pool.Take((long)(options.BatchSeconds * 100), cancellation);
                if (!failure.IsEmpty && failure.TryDequeue(out Exception? exception))
                    ExceptionDispatchInfo.Throw(exception);
                while (done.TryDequeue(out OpenRecording? read))
                {
                    if (read.TakeOutcome(aligner.Separator, options.KeepsWords) is { } outcome)
                        yield return outcome;
                }
                if (batch.Count == 0)
                    break;
                foreach (TranscriptionOutcome outcome in Hear([.. batch.Where(piece => !piece.Recording.IsFaulty)], heard))
                    yield return outcome;
                cancellation.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            pool.Close();
        }
    }

    private void Read(IEnumerator<RecordingSource> queue, Lock turn, PiecePool pool, ConcurrentQueue<OpenRecording> done, ConcurrentQueue<Exception> failure)
    {
        try
        {
            while (true)
            {
                OpenRecording recording;
                lock (turn)
                {
                    if (!queue.MoveNext())
                        return;
                    recording = new OpenRecording(queue.Current);
                }
                if (!Read(recording, pool))
                    return;
                done.Enqueue(recording);
            }
        }
        catch (Exception exception)
        {
            // A fault of the program, or no memory: the calling thread ends the work with it.
            failure.Enqueue(exception);
        }
        finally
        {
            pool.Finish();
        }
    }

    private bool Read(OpenRecording recording, PiecePool pool)
    {
        try
        {
            int count = 0;
            double seconds = 0;
            foreach (HeardPiece piece in recording.Source.Pieces(extractor, typical, length => seconds = length))
            {
                if (!pool.Add(new WaitingPiece(recording, count++, piece)))
                    return false;
            }
            recording.End(count, seconds);
        }
        catch (InputException exception)
        {
            string name = recording.Source.Name;
            recording.Fail(exception.Message.StartsWith(name, StringComparison.Ordinal) ? exception : new InputException($"{name}: {exception.Message}", exception));
        }
        return true;
    }

    private List<TranscriptionOutcome> Hear(WaitingPiece[] batch, Action<RecordingSource, double>? heard)
    {
        if (batch.Length == 0)
            return [];
        int rows = extractor.Rows, longest = batch.Max(piece => piece.Frames);
        var values = new float[batch.Length * rows * longest];
        for (int i = 0; i < batch.Length; i++)
        {
            for (int row = 0; row < rows; row++)
                batch[i].Heard.Features.Row(row).CopyTo(values.AsSpan((i * rows + row) * longest));
        }
        BatchLogits logits = recognizer.Hear(values, [.. batch.Select(piece => piece.Frames)], longest);
        IReadOnlyList<Hypothesis>[]? alternatives = beam?.Best(logits.Values, logits.T, logits.N, logits.Frames, int.MaxValue);
        IReadOnlyList<Hypothesis>[]? acoustics = acoustic?.Best(logits.Values, logits.T, logits.N, logits.Frames, int.MaxValue);
        string[] texts = alternatives is not null && beam == recognizer.Beam ? [.. alternatives.Select(all => all[0].Text)] : recognizer.Read(logits);
        var outcomes = new List<TranscriptionOutcome>();
        for (int i = 0; i < batch.Length; i++)
        {
            OpenRecording recording = batch[i].Recording;
            recording.Add(batch[i].Index, TextOf(batch[i].Heard, texts[i], alternatives?[i] ?? [], acoustics?[i], logits.Of(i, classes)));
            heard?.Invoke(recording.Source, batch[i].Frames / 100.0);
            if (recording.TakeOutcome(aligner.Separator, options.KeepsWords) is { } outcome)
                outcomes.Add(outcome);
        }
        return outcomes;
    }

    private PieceText TextOf(HeardPiece heard, string text, IReadOnlyList<Hypothesis> alternatives, IReadOnlyList<Hypothesis>? acoustics, Logits logits)
    {
        Piece piece = heard.Piece;
        double start = piece.Start / 100.0, end = piece.End / 100.0;
        // Whether the next piece overlaps is not known here; one that is full may be followed by such a one.
        bool joined = piece.Overlaps || piece.End - piece.Start >= PieceCutter.MostFrames;
        // The first of the alternatives is the text, so that they are alternatives to it.
        if (options.Alternatives > 0)
            text = alternatives[0].Text;
        IReadOnlyList<TimedWord> words = options.Words || joined ? aligner.Align(logits, text) : [];
        double[]? confidences = !options.Confidence || words.Count == 0 ? null
            : acoustics is null ? WordPosteriors.Of(alphabet, text, alternatives)
            : WordPosteriors.OfBoth(alphabet, text, alternatives, acoustics);
        return new PieceText(
            start, end, piece.Overlaps, Spaced(text),
            [.. words.Select((word, i) => word with { Start = Within(heard.Start + word.Start), End = Within(heard.Start + word.End), Confidence = confidences?[i] })],
            [.. alternatives.Select(alternative => alternative with { Text = Spaced(alternative.Text) }).DistinctBy(alternative => alternative.Text).Take(options.Alternatives)]);

        double Within(double time) => Math.Clamp(time, start, end);
    }

    /// <summary>A text as people read it: a space between two words, and nowhere else. A model writes several where it hears a long pause.</summary>
    private string Spaced(string text) => aligner.HasSpaces ? string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries)) : text;
}
