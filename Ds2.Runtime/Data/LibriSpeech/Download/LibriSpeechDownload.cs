using System.Globalization;
using System.Net;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Ds2.Runtime.Data.LibriSpeech.Dataset;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech.Download;

/// <summary>Makes the benchmark's data set from nothing: fetches the archives, checks, unpacks and converts them.</summary>
/// <remarks>
/// Archives come in several at a time; those that are there go through unpacking and conversion one after the other. Everything unfinished lies in
/// TARGET/download: NAME.tar.gz.partial while it comes, NAME.tar.gz when its sum is right, LibriSpeech/SPLIT.partial while it is unpacked,
/// LibriSpeech/SPLIT when that was all. Each step ends with a rename or with the replacement of the list of checksums, so a run that is killed at any
/// moment is simply run again. When a split is in the list, its archive and FLAC files go.
/// </remarks>
public static class LibriSpeechDownload
{
    /// <summary>The folder in the data set's that holds what is not finished.</summary>
    public const string WorkFolder = "download";

    /// <summary>Downloads and prepares what the data set does not have yet.</summary>
    /// <param name="options">What, from where, to where.</param>
    /// <param name="progress">Hears of it.</param>
    /// <param name="cancellation">Stops within moments; what is done stays done.</param>
    /// <returns>The splits that were added; none if all were there.</returns>
    /// <exception cref="InputException">An archive is not served, or is another than expected, or the disk is too small, or cannot be written; the other archives are done.</exception>
    /// <exception cref="HttpRequestException">A server keeps failing; likewise.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static async Task<IReadOnlyList<PreparedSplit>> RunAsync(DownloadOptions options, IWorkProgress? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        string work = Path.Combine(options.Target, WorkFolder);
        progress ??= NoProgress.Instance;
        // Two downloads into the same folder would write the same files.
        using FolderLock turn = FolderLock.Take(work, "lock", progress.Note);
        var run = new Run(options, work, progress);
        try
        {
            IReadOnlyList<PreparedSplit> splits = await run.AllAsync(cancellation).ConfigureAwait(false);
            ArchiveUnpacker.DeleteFolder(work);
            return splits;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{options.Target}: cannot be written: {e.Message.ReplaceLineEndings(" ")}; run again to go on from there", e);
        }
    }

    private sealed class Run(DownloadOptions options, string work, IWorkProgress progress)
    {
        private readonly List<Exception> faults = [];
        private readonly List<PreparedSplit> prepared = [];

        public async Task<IReadOnlyList<PreparedSplit>> AllAsync(CancellationToken cancellation)
        {
            LibriSpeechArchive[] pending = Pending();
            if (pending.Length == 0)
                return [];
            using HttpClient client = MakeClient();
            Dictionary<LibriSpeechArchive, long?> sizes = await SizesAsync(client, pending, cancellation).ConfigureAwait(false);
            RequireSpace(sizes);

            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var ready = Channel.CreateUnbounded<LibriSpeechArchive>();
            Task fetching = FetchAllAsync(client, pending, sizes, ready.Writer, stop.Token);
            try
            {
                await foreach (LibriSpeechArchive archive in ready.Reader.ReadAllAsync(stop.Token).ConfigureAwait(false))
                    Guard(archive, () => Prepare(archive, stop.Token));
                await fetching.ConfigureAwait(false);
            }
            finally
            {
                // Whatever ended it: nothing writes any more when this returns.
                await stop.CancelAsync().ConfigureAwait(false);
                await fetching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            Report();
            return prepared;
        }

        /// <summary>The archives whose splits the data set does not have whole. What a killed run left of the others goes.</summary>
        private LibriSpeechArchive[] Pending()
        {
            DatasetFolder dataset = DatasetFolder.Open(options.Target);
            var pending = new List<LibriSpeechArchive>();
            foreach (LibriSpeechArchive archive in options.Archives)
            {
                if (dataset.Holds(archive.Split, archive.Name, archive.Digest))
                    Clean(archive);
                else
                    pending.Add(archive);
            }
            if (pending.Count == 0 && dataset.Missing().Any())
                dataset.Seal(); // a manifest of a set
            return [.. pending];
        }

        private static HttpClient MakeClient()
        {
            // Silence is timed for each read; a limit on the whole would cut the large archives.
            var client = new HttpClient(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.None }) { Timeout = Timeout.InfiniteTimeSpan };
            client.DefaultRequestHeaders.UserAgent.ParseAdd("Ds2");
            return client;
        }

        /// <summary>How long the archives are, as far as the server says: for the space they need and the time left.</summary>
        private async Task<Dictionary<LibriSpeechArchive, long?>> SizesAsync(HttpClient client, LibriSpeechArchive[] pending, CancellationToken cancellation)
        {
            var sizes = new Dictionary<LibriSpeechArchive, long?>();
            foreach (LibriSpeechArchive archive in pending)
                sizes[archive] = File.Exists(PathOf(archive)) ? new FileInfo(PathOf(archive)).Length : await SizeAsync(client, archive, cancellation).ConfigureAwait(false);
            return sizes;
        }

        private async Task<long?> SizeAsync(HttpClient client, LibriSpeechArchive archive, CancellationToken cancellation)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            patience.CancelAfter(options.Timeout);
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Head, options.AddressOf(archive));
                using HttpResponseMessage response = await client.SendAsync(request, patience.Token).ConfigureAwait(false);
                return response.IsSuccessStatusCode ? response.Content.Headers.ContentLength : null;
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException && !cancellation.IsCancellationRequested)
            {
                return null; // the transfer itself will say what is wrong, after its retries
            }
        }

        private void RequireSpace(Dictionary<LibriSpeechArchive, long?> sizes)
        {
            long have = options.FreeSpace(work);
            string unknown = string.Join(", ", sizes.Where(pair => pair.Value is null).Select(pair => pair.Key.Name));
            if (unknown.Length > 0)
                progress.Note($"the server does not say how long {unknown} is: space and time left are known without it");
            long need = SpaceNeeded.Of(sizes.Select(pair => (pair.Value ?? 0, OnDisk(pair.Key))));
            progress.Note($"{sizes.Count} archives; space needed {Gigabytes(need)}, available {Gigabytes(have)}");
            if (need > have)
                throw new InputException($"{options.Target}: too little space on the disk: {Gigabytes(need)} are needed, {Gigabytes(have)} are available");
        }

        private long OnDisk(LibriSpeechArchive archive)
        {
            string path = PathOf(archive), partial = path + AtomicFile.PartialSuffix;
            return File.Exists(path) ? new FileInfo(path).Length : File.Exists(partial) ? new FileInfo(partial).Length : 0;
        }

        private async Task FetchAllAsync(
            HttpClient client, LibriSpeechArchive[] pending, Dictionary<LibriSpeechArchive, long?> sizes, ChannelWriter<LibriSpeechArchive> ready,
            CancellationToken cancellation)
        {
            try
            {
                var limits = new ParallelOptions { MaxDegreeOfParallelism = options.AtATime, CancellationToken = cancellation };
                await Parallel.ForEachAsync(pending, limits, async (archive, token) =>
                {
                    try
                    {
                        if (!ArchiveUnpacker.IsUnpacked(SplitFolder(archive), archive.Digest))
                            await ArchiveTransfer.FetchAsync(client, options, archive, PathOf(archive), sizes[archive], progress, token).ConfigureAwait(false);
                        await ready.WriteAsync(archive, token).ConfigureAwait(false);
                    }
                    catch (Exception e) when (e is InputException or HttpRequestException)
                    {
                        AddFault(archive, e);
                    }
                }).ConfigureAwait(false);
                ready.Complete();
            }
            catch (Exception e)
            {
                ready.Complete(e); // a full disk, or the user: the consumer ends too
            }
        }

        private void Prepare(LibriSpeechArchive archive, CancellationToken cancellation)
        {
            string splitFolder = SplitFolder(archive);
            if (!ArchiveUnpacker.IsUnpacked(splitFolder, archive.Digest))
                Unpack(archive, splitFolder, cancellation);
            prepared.AddRange(Convert(archive, splitFolder, cancellation));
            Clean(archive);
        }

        private void Unpack(LibriSpeechArchive archive, string splitFolder, CancellationToken cancellation)
        {
            string path = PathOf(archive);
            try
            {
                using IWorkItem item = progress.Begin($"unpacking {archive.Split}", new FileInfo(path).Length, WorkUnit.Bytes);
                ArchiveUnpacker.Unpack(path, archive, splitFolder, item, cancellation);
            }
            catch (InputException e) when (!IsOfTheDisk(e))
            {
                // It was right when it came, so the disk changed it, or it is another archive now: the next run looks at it as at one half fetched.
                File.Move(path, path + AtomicFile.PartialSuffix, overwrite: true);
                throw;
            }
        }

        private IReadOnlyList<PreparedSplit> Convert(LibriSpeechArchive archive, string splitFolder, CancellationToken cancellation)
        {
            IWorkItem? item = null;
            try
            {
                return LibriSpeechPreparer.Run(
                    [splitFolder], options.Target, new Dictionary<string, string> { [archive.Name] = archive.Digest },
                    (_, all) => (item ??= progress.Begin($"converting {archive.Split}", all, WorkUnit.Items)).Advance(1), cancellation).Splits;
            }
            catch (InputException e) when (!IsOfTheDisk(e))
            {
                ArchiveUnpacker.DeleteFolder(splitFolder); // unpacked anew by the next run
                throw;
            }
            finally
            {
                item?.Dispose();
            }
        }

        /// <summary>A fault of one archive does not stop the others; a disk that takes no more does.</summary>
        private void Guard(LibriSpeechArchive archive, Action action)
        {
            try
            {
                action();
            }
            catch (InputException e) when (!IsOfTheDisk(e))
            {
                AddFault(archive, e);
            }
        }

        private static bool IsOfTheDisk(InputException e) => e.InnerException is IOException and not EndOfStreamException or UnauthorizedAccessException;

        private void AddFault(LibriSpeechArchive archive, Exception fault)
        {
            if (options.Archives.Count > 1)
                progress.Note($"{archive.Name}: failed; going on with the others");
            lock (faults)
                faults.Add(fault);
        }

        private void Report()
        {
            if (faults.Count == 0)
                return;
            if (faults.Count == 1)
                ExceptionDispatchInfo.Throw(faults[0]);
            string all = string.Join("; ", faults.Select(fault => fault.Message).Order(StringComparer.Ordinal));
            throw faults.OfType<InputException>().Any() ? new InputException(all, faults[0]) : new HttpRequestException(all, faults[0]);
        }

        private void Clean(LibriSpeechArchive archive)
        {
            File.Delete(PathOf(archive));
            File.Delete(PathOf(archive) + AtomicFile.PartialSuffix);
            ArchiveUnpacker.DeleteFolder(SplitFolder(archive));
            ArchiveUnpacker.DeleteFolder(SplitFolder(archive) + AtomicFile.PartialSuffix);
        }

        private string PathOf(LibriSpeechArchive archive) => Path.Combine(work, archive.Name);

        private string SplitFolder(LibriSpeechArchive archive) => Path.Combine(work, "LibriSpeech", archive.Split);

        private static string Gigabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:0.0##} GB");
    }
}
