using System.Runtime.ExceptionServices;
using System.Text;
using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Data;

/// <summary>Makes the benchmark's data set of an unpacked LibriSpeech.</summary>
/// <remarks>
/// train-*, dev-* and test-* become OUT/{train,val,test}/wav/ID.wav (16 kHz, 16 bit, mono) and OUT/{train,val,test}/txt/ID.txt (upper case), listed by
/// OUT/libri_{train,val,test}_manifest.csv from the shortest to the longest; every split also has a manifest of its own, as libri_dev-clean_manifest.csv.
/// Paths in the manifests are relative, so the folder can be moved. Files that are there already and whole are kept: a run that was interrupted goes on where it was.
/// </remarks>
public static class LibriSpeechPreparer
{
    /// <summary>Converts everything that is not converted yet, on all cores.</summary>
    /// <param name="sourceDir">The folder LibriSpeech, or one that holds it; it is only read.</param>
    /// <param name="outDir">Where the data set goes; made if missing.</param>
    /// <param name="progress">Called after each utterance with the number done and the number of all; never twice at once.</param>
    /// <param name="cancellation">Stops between utterances.</param>
    /// <exception cref="InputException">The tree is not LibriSpeech's, a recording cannot be read, or the target cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; what has been converted stays.</exception>
    public static PreparedCorpus Run(string sourceDir, string outDir, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sourceDir);
        ArgumentNullException.ThrowIfNull(outDir);
        LibriSpeechItem[] items = [.. LibriSpeechTree.Splits(sourceDir).SelectMany(LibriSpeechTree.Items)];
        foreach (IGrouping<(string, string), LibriSpeechItem> same in items.GroupBy(item => (item.Set, item.Id)))
        {
            if (same.Count() > 1)
                throw new InputException($"{same.Last().FlacPath}: the same utterance is also in {same.First().Split}");
        }
        return Writing(outDir, () =>
        {
            foreach (string set in items.Select(item => item.Set).Distinct())
            {
                Directory.CreateDirectory(Path.Combine(outDir, set, "wav"));
                Directory.CreateDirectory(Path.Combine(outDir, set, "txt"));
            }
            return WriteManifests(outDir, ConvertAll(items, outDir, progress, cancellation));
        });
    }

    private readonly record struct Entry(LibriSpeechItem Item, long Samples, bool Converted);

    private static Entry[] ConvertAll(LibriSpeechItem[] items, string outDir, Action<int, int>? progress, CancellationToken cancellation)
    {
        var entries = new Entry[items.Length];
        var gate = new Lock();
        int done = 0;
        try
        {
            Parallel.For(0, items.Length, new ParallelOptions { CancellationToken = cancellation }, i =>
            {
                entries[i] = Convert(items[i], outDir);
                lock (gate)
                    progress?.Invoke(++done, items.Length);
            });
        }
        catch (AggregateException e)
        {
            // Several workers may have failed; one fault is enough to tell.
            ExceptionDispatchInfo.Throw(e.Flatten().InnerExceptions[0]);
        }
        return entries;
    }

    private static Entry Convert(LibriSpeechItem item, string outDir)
    {
        string wav = Path.Combine(outDir, WavOf(item)), txt = Path.Combine(outDir, TxtOf(item));
        bool kept = IsWhole(wav, item.FlacPath, out long samples);
        if (!kept)
        {
            float[] signal = AudioFile.Read(item.FlacPath);
            samples = signal.Length;
            Replace(wav, WavWriter.Encode(signal));
        }
        byte[] text = Encoding.UTF8.GetBytes(item.Text + "\n");
        if (!File.Exists(txt) || !text.AsSpan().SequenceEqual(File.ReadAllBytes(txt)))
        {
            Replace(txt, text);
            kept = false;
        }
        return new Entry(item, samples, !kept);
    }

    /// <summary>Whether a file is what converting the recording would give: mono, 16 kHz, 16 bit, and of the length that the FLAC's header says.</summary>
    private static bool IsWhole(string wav, string flac, out long samples)
    {
        samples = 0;
        if (!File.Exists(wav) || FlacHeader.TryRead(flac) is not { Samples: > 0 } source)
            return false;
        long expected = (source.Samples * AudioFile.SampleRate + source.SampleRate - 1) / source.SampleRate;
        try
        {
            WavHeader header = WavReader.ReadHeader(wav);
            samples = header.Frames;
            return header is { Encoding: WavEncoding.Pcm16, Channels: 1, SampleRate: AudioFile.SampleRate } && samples == expected;
        }
        catch (InputException)
        {
            return false; // damaged: it is written anew
        }
    }

    private static PreparedCorpus WriteManifests(string outDir, Entry[] entries)
    {
        var manifests = new List<string>();
        foreach (string set in (ReadOnlySpan<string>)["train", "val", "test"])
        {
            Entry[] members = [.. entries.Where(entry => entry.Item.Set == set)];
            if (members.Length > 0)
                manifests.Add(WriteManifest(outDir, set, members));
        }
        PreparedSplit[] splits =
        [
            .. entries.GroupBy(entry => entry.Item.Split).Select(group => new PreparedSplit(
                group.Key, group.First().Item.Set, WriteManifest(outDir, group.Key, group), group.Count(), group.Count(entry => entry.Converted),
                group.Sum(entry => (double)entry.Samples) / AudioFile.SampleRate / 3600)),
        ];
        return new PreparedCorpus(splits, manifests);
    }

    private static string WriteManifest(string outDir, string name, IEnumerable<Entry> entries)
    {
        var text = new StringBuilder();
        foreach (Entry entry in entries.OrderBy(entry => entry.Samples).ThenBy(entry => entry.Item.Id, StringComparer.Ordinal))
            text.Append(WavOf(entry.Item)).Append(',').Append(TxtOf(entry.Item)).Append('\n');
        string path = Path.Combine(outDir, $"libri_{name}_manifest.csv");
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text.ToString())));
        return path;
    }

    private static string WavOf(LibriSpeechItem item) => $"{item.Set}/wav/{item.Id}.wav";

    private static string TxtOf(LibriSpeechItem item) => $"{item.Set}/txt/{item.Id}.txt";

    /// <summary>Writes a file in one step as others see it.</summary>
    /// <remarks>Not by <see cref="AtomicFile"/>, which waits for the disk: half a million waits would take hours, and the next run checks these files anyway.</remarks>
    private static void Replace(string path, byte[] content)
    {
        string partial = path + AtomicFile.PartialSuffix;
        try
        {
            File.WriteAllBytes(partial, content);
            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    private static T Writing<T>(string outDir, Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{outDir}: cannot be written: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}
