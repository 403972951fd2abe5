using System.Buffers.Binary;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data.LibriSpeech.Dataset;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech;

/// <summary>Makes the benchmark's data set of an unpacked LibriSpeech.</summary>
/// <remarks>
/// train-*, dev-* and test-* become OUT/{train,val,test}/wav/ID.wav (16 kHz, 16 bit, mono) and OUT/{train,val,test}/txt/ID.txt (upper case), listed by
/// OUT/libri_{train,val,test}_manifest.csv from the shortest to the longest; every split also has a manifest of its own, as libri_dev-clean_manifest.csv.
/// Paths in the manifests are relative, so the folder can be moved. <see cref="ChecksumList"/> is written last, from the bytes on disk.
/// Files that are there already and whole are kept: a run that was interrupted goes on where it was. Splits that the data set has from earlier runs stay in it.
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
        return Run(LibriSpeechTree.Splits(sourceDir), outDir, new Dictionary<string, string>(), progress, cancellation);
    }

    /// <summary>Converts some splits.</summary>
    /// <param name="splits">Their folders.</param>
    /// <param name="outDir">The data set.</param>
    /// <param name="archives">SHA-256 of the archives they came from, by name.</param>
    /// <param name="progress">As above.</param>
    /// <param name="cancellation">As above.</param>
    internal static PreparedCorpus Run(
        IEnumerable<string> splits, string outDir, IReadOnlyDictionary<string, string> archives, Action<int, int>? progress, CancellationToken cancellation)
    {
        LibriSpeechItem[] items = [.. splits.SelectMany(LibriSpeechTree.Items)];
        DatasetFolder dataset = DatasetFolder.Open(outDir);
        RequireUnique(items, dataset);
        return Writing(outDir, () =>
        {
            foreach (string set in items.Select(item => item.Set).Distinct())
            {
                Directory.CreateDirectory(Path.Combine(outDir, set, "wav"));
                Directory.CreateDirectory(Path.Combine(outDir, set, "txt"));
            }
            PreparedUtterance[] utterances = ConvertAll(items, outDir, progress, cancellation);
            return Summarize(outDir, utterances, dataset.Add(utterances, archives));
        });
    }

    /// <summary>One name, one utterance: also across splits, as those of a set share a folder.</summary>
    private static void RequireUnique(LibriSpeechItem[] items, DatasetFolder dataset)
    {
        HashSet<string> now = [.. items.Select(item => item.Split)];
        var owners = new Dictionary<string, string>();
        foreach (string split in dataset.Splits.Where(split => !now.Contains(split)))
        {
            foreach ((string wav, _) in dataset.Members(split))
                owners[wav] = split;
        }
        foreach (LibriSpeechItem item in items)
        {
            if (!owners.TryAdd(PreparedUtterance.WavOf(item), item.Split))
                throw new InputException($"{item.FlacPath}: the same utterance is also in {owners[PreparedUtterance.WavOf(item)]}");
        }
    }

    private static PreparedUtterance[] ConvertAll(LibriSpeechItem[] items, string outDir, Action<int, int>? progress, CancellationToken cancellation)
    {
        var entries = new PreparedUtterance[items.Length];
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

    private static PreparedUtterance Convert(LibriSpeechItem item, string outDir)
    {
        string wav = Path.Combine(outDir, PreparedUtterance.WavOf(item)), txt = Path.Combine(outDir, PreparedUtterance.TextOf(item));
        byte[]? sound = ReadIfThere(wav);
        bool converted = false;
        if (sound is null || !HasSumOf(sound, item.FlacPath))
            sound = Keep(wav, sound, WavWriter.Encode(AudioFile.Read(item.FlacPath)), ref converted);
        byte[] text = Keep(txt, ReadIfThere(txt), Encoding.UTF8.GetBytes(item.Text + "\n"), ref converted);
        return new PreparedUtterance(item, WavWriter.SamplesOf(sound.Length), ChecksumList.Digest(sound), ChecksumList.Digest(text), converted);
    }

    /// <summary>Whether a WAV's samples have the MD5 sum of the FLAC's: then they are what decoding would give, at a fraction of the time.</summary>
    private static bool HasSumOf(byte[] wav, string flac) =>
        FlacHeader.TryRead(flac) is { SampleRate: AudioFile.SampleRate, Channels: 1, BitsPerSample: 16, Md5: var sum } && sum != 0
        && WavWriter.DataOf(wav) is { } data && BinaryPrimitives.ReadUInt128BigEndian(CryptographicOperations.HashData(HashAlgorithmName.MD5, data.Span)) == sum;

    private static byte[]? ReadIfThere(string path) => File.Exists(path) ? InputFile.ReadBytes(path) : null;

    /// <summary>Writes a file unless it has this content.</summary>
    /// <returns>The bytes on disk, read back where they are new: what is summed is what a reader will find.</returns>
    private static byte[] Keep(string path, byte[]? there, byte[] content, ref bool written)
    {
        if (there is not null && content.AsSpan().SequenceEqual(there))
            return there;
        Replace(path, content);
        written = true;
        byte[] back = InputFile.ReadBytes(path);
        return back.AsSpan().SequenceEqual(content) ? back : throw new InputException($"{path}: what was written does not read back the same; is the disk failing?");
    }

    private static PreparedCorpus Summarize(string outDir, PreparedUtterance[] utterances, IReadOnlyList<string> manifests) => new(
        [
            .. utterances.GroupBy(u => u.Item.Split).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => new PreparedSplit(
                group.Key, group.First().Item.Set, Path.Combine(outDir, DatasetFolder.ManifestName(group.Key)), group.Count(), group.Count(u => u.Converted),
                group.Sum(u => (double)u.Samples) / AudioFile.SampleRate / 3600)),
        ],
        manifests);

    /// <summary>Writes a file in one step as others see it.</summary>
    /// <remarks>Not by <see cref="AtomicFile"/>, which waits for the disk: half a million waits would take hours. The next run checks these files anyway, and
    /// the data set's list is not written before the disk has them all.</remarks>
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
