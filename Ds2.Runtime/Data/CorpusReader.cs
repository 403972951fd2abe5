using System.Buffers;
using System.Diagnostics;
using System.Text;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Files;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Data;

/// <summary>Reads the headers and transcripts that a manifest lists: in blocks of lines, on all cores, each file once, or not at all where the index knows it.</summary>
/// <param name="manifest">The manifest.</param>
/// <param name="normalization">For the transcripts.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends it within a line.</param>
internal sealed class CorpusReader(string manifest, TextNormalization normalization, CorpusOptions options, CancellationToken cancellation)
{
    private const int BlockLines = 1024;

    /// <summary>A small corpus may take so many times longer before a word is said: it is nearly done, or lies on a slow disk.</summary>
    private const int SmallFactor = 10;

    private readonly long start = Stopwatch.GetTimestamp(), seen = FileStamp.Now;
    private readonly FolderNames folders = new();
    private readonly Lock gate = new();
    private IWorkItem? work;
    private int done, linesRead;

    private Range[] ids = [];
    private UtteranceRow[] rows = [];
    private InputException?[] faults = [];
    private byte[][] blocks = [];

    /// <summary>The manifest's lines.</summary>
    public IReadOnlyList<ManifestEntry> Entries { get; private set; } = [];

    /// <summary>What is wrong with each line's files; null where nothing is.</summary>
    public InputException?[] Faults => faults;

    /// <summary>Lines whose files were opened, as the index did not know them.</summary>
    public int LinesRead => linesRead;

    /// <summary>What the alphabet does not have in the transcripts.</summary>
    public TextReport Characters { get; } = new(manifest);

    /// <summary>Reads all of it.</summary>
    /// <returns>An utterance a line, in the manifest's order; those with faults have nothing in them.</returns>
    /// <exception cref="InputException">The manifest is missing, empty or malformed.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public UtteranceTable Read()
    {
        Entries = ManifestFile.Read(manifest);
        ids = UtteranceIds.In([.. Entries.Select(entry => entry.AudioPath)]);
        rows = new UtteranceRow[Entries.Count];
        faults = new InputException?[Entries.Count];
        blocks = new byte[(Entries.Count + BlockLines - 1) / BlockLines][];
        bool indexed = Entries.Count >= options.IndexFrom;
        using CorpusIndex? index = indexed ? CorpusIndex.Open(manifest) : null;
        var read = new (byte[] Key, IndexBlock Block)[indexed ? blocks.Length : 0];
        int changed = 0;
        try
        {
            Parallel.For(0, blocks.Length, new ParallelOptions { CancellationToken = cancellation }, () => new TextReport(manifest), (block, _, report) =>
            {
                int first = block * BlockLines, count = Math.Min(BlockLines, Entries.Count - first);
                byte[] key = indexed ? CorpusIndex.KeyOf(Entries.Skip(first).Take(count)) : [];
                IndexBlock? known = index?.Find(block, key, count);
                IndexBlock now = ReadBlock(block, first, count, known, report);
                if (indexed)
                    read[block] = (key, now);
                if (indexed && (known is null || !known.Bytes.SequenceEqual(now.Bytes)))
                    Interlocked.Increment(ref changed);
                return report;
            }, report =>
            {
                lock (gate)
                    Characters.Merge(report);
            });
        }
        finally
        {
            work?.Dispose();
        }
        if (changed > 0 && CorpusIndex.Write(manifest, read) is { } why)
            options.Progress?.Note(why);
        return new UtteranceTable(rows, blocks, folders.ToArray(), normalization);
    }

    private IndexBlock ReadBlock(int block, int first, int count, IndexBlock? known, TextReport report)
    {
        var builder = new IndexBlock.Builder(count, seen, options.FileTick);
        var bytes = new ArrayBufferWriter<byte>(count * 256);
        var files = new Utf8Reader();
        for (int i = 0; i < count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                ManifestEntry entry = Entries[first + i];
                FileStamp audio = FileStamp.Of(entry.AudioPath) ?? throw InputException.NoFile(entry.AudioPath, $"line {entry.Line} of {manifest}");
                FileStamp text = FileStamp.Of(entry.TextPath) ?? throw ManifestFile.NoSuchText(entry.TextPath, manifest, entry.Line);
                if (known is null || !known.TryFind(i, audio, text, out RecordingInfo recording, out ReadOnlySpan<byte> transcript))
                {
                    Interlocked.Increment(ref linesRead);
                    recording = AudioFile.Probe(entry.AudioPath, audio.Bytes);
                    transcript = files.Read(entry.TextPath, text.Bytes);
                }
                builder.Add(i, audio, text, recording, transcript);
                rows[first + i] = Keep(block, bytes, entry, ids[first + i], recording, transcript, report);
            }
            catch (InputException e)
            {
                faults[first + i] = e;
            }
            Advance();
        }
        blocks[block] = bytes.WrittenSpan.ToArray();
        return builder.Build();
    }

    private UtteranceRow Keep(
        int block, ArrayBufferWriter<byte> bytes, ManifestEntry entry, Range id, RecordingInfo recording, ReadOnlySpan<byte> transcript, TextReport report)
    {
        int begin = bytes.WrittenCount;
        int audioFolder = folders.Split(entry.AudioPath, out ReadOnlySpan<char> audioName), textFolder = folders.Split(entry.TextPath, out ReadOnlySpan<char> textName);
        (int audio, int text) = ((int)Encoding.UTF8.GetBytes(audioName, bytes), (int)Encoding.UTF8.GetBytes(textName, bytes));
        int labels = KeepText(bytes, entry, transcript, report);
        return new UtteranceRow(
            block, begin, bytes.WrittenCount - begin - audio - text, audioFolder, textFolder, checked((ushort)audio), checked((ushort)text), checked((ushort)(id.End.GetOffset(entry.AudioPath.Length) - id.Start.Value)),
            checked((ushort)(entry.AudioPath.Length - id.End.GetOffset(entry.AudioPath.Length))), labels, recording);
    }

    /// <summary>Keeps the normalised text.</summary>
    /// <returns>The number of its labels.</returns>
    private int KeepText(ArrayBufferWriter<byte> bytes, ManifestEntry entry, ReadOnlySpan<byte> transcript, TextReport report)
    {
        ReadOnlySpan<byte> trimmed = transcript.TrimEnd("\r\n"u8);
        if (normalization.IsPlain(trimmed))
        {
            bytes.Write(trimmed);
            return trimmed.Length;
        }
        char[] written = ArrayPool<char>.Shared.Rent(transcript.Length);
        string text = normalization.Normalize(written.AsSpan(0, Encoding.UTF8.GetChars(transcript, written)), report, entry.TextPath, entry.Line);
        ArrayPool<char>.Shared.Return(written);
        Encoding.UTF8.GetBytes(text, bytes);
        return normalization.Encode(text).Length;
    }

    private void Advance()
    {
        if (options.Progress is not { } progress)
            return;
        lock (gate)
        {
            done++;
            if (work is not null)
            {
                work.Advance(1);
            }
            else if (Stopwatch.GetElapsedTime(start) > (Entries.Count >= options.IndexFrom ? options.Moment : SmallFactor * options.Moment))
            {
                work = progress.Begin($"reading {Path.GetFileName(manifest)}", Entries.Count, WorkUnit.Items);
                work.Advance(done, worked: false);
            }
        }
    }
}
