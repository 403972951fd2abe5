using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data.LibriSpeech.Download;

/// <summary>Brings one archive in, over as many requests as it takes.</summary>
/// <remarks>
/// What has come lies in NAME.partial, and every request asks for the rest of it. The sum goes along with the bytes. Only a file whose sum is right gets the
/// archive's name; a kill at any moment leaves a prefix that the next run hashes and goes on from.
/// </remarks>
internal sealed class ArchiveTransfer : IDisposable
{
    private const int BlockBytes = 256 * 1024;

    /// <summary>Less than this between two faults counts as nothing new: else a server that sends one byte at a time would be asked for ever.</summary>
    private const long WorthwhileBytes = 1 << 20;
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);

    private readonly HttpClient client;
    private readonly DownloadOptions options;
    private readonly LibriSpeechArchive archive;
    private readonly Uri address;
    private readonly long? size;
    private readonly IWorkProgress progress;
    private readonly IWorkItem item;
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly FileStream file;

    private ArchiveTransfer(HttpClient client, DownloadOptions options, LibriSpeechArchive archive, string partial, long? size, IWorkProgress progress)
    {
        (this.client, this.options, this.archive, this.size, this.progress) = (client, options, archive, size, progress);
        address = options.AddressOf(archive);
        file = new FileStream(partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.Asynchronous);
        item = progress.Begin(archive.Name, size, WorkUnit.Bytes);
    }

    /// <summary>Fetches an archive unless it is there.</summary>
    /// <param name="client">Without a time limit of its own.</param>
    /// <param name="options">From where, and with how much patience.</param>
    /// <param name="archive">Which.</param>
    /// <param name="path">Where to.</param>
    /// <param name="size">The length that the server said before; null if it did not.</param>
    /// <param name="progress">Hears of it.</param>
    /// <param name="cancellation">Stops at once.</param>
    /// <exception cref="InputException">The server does not have it, or what it has is another file.</exception>
    /// <exception cref="HttpRequestException">The server keeps failing.</exception>
    public static async Task FetchAsync(
        HttpClient client, DownloadOptions options, LibriSpeechArchive archive, string path, long? size, IWorkProgress progress,
        CancellationToken cancellation)
    {
        if (File.Exists(path))
            return;
        string partial = path + AtomicFile.PartialSuffix;
        using (var transfer = new ArchiveTransfer(client, options, archive, partial, size, progress))
            await transfer.RunAsync(cancellation).ConfigureAwait(false);
        File.Move(partial, path);
    }

    public void Dispose()
    {
        item.Dispose();
        hash.Dispose();
        file.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellation)
    {
        bool resumed = file.Length > 0;
        await HashWhatIsThereAsync(cancellation).ConfigureAwait(false);
        for (; ; )
        {
            await CompleteAsync(cancellation).ConfigureAwait(false);
            string digest = Convert.ToHexStringLower(hash.GetHashAndReset());
            if (digest == archive.Digest)
                break;
            if (!resumed)
                throw new InputException($"{address}: has SHA-256 {digest}, expected {archive.Digest}; it is not unpacked");
            progress.Note($"{archive.Name}: what an earlier run left of it is damaged; fetching it from the start");
            Restart();
            resumed = false;
        }
        await file.FlushAsync(cancellation).ConfigureAwait(false);
        file.Flush(flushToDisk: true);
    }

    private async Task HashWhatIsThereAsync(CancellationToken cancellation)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        for (int count; (count = await file.ReadAsync(block, cancellation).ConfigureAwait(false)) > 0;)
        {
            hash.AppendData(block, 0, count);
            item.Advance(count, worked: false);
        }
        ArrayPool<byte>.Shared.Return(block);
    }

    private void Restart()
    {
        item.Advance(-file.Length, worked: false);
        file.SetLength(0);
        file.Position = 0;
        hash.GetHashAndReset();
    }

    /// <summary>Asks until the file is whole as far as lengths can tell.</summary>
    private async Task CompleteAsync(CancellationToken cancellation)
    {
        for (int faults = 0; ;)
        {
            long before = file.Length;
            try
            {
                await RequestAsync(cancellation).ConfigureAwait(false);
                return;
            }
            catch (TransferFaultException fault)
            {
                faults = file.Length - before >= WorthwhileBytes ? 1 : faults + 1;
                if (faults > options.Retries)
                    throw new HttpRequestException($"{address}: {fault.Message}; given up after {options.Retries} retries; run again to go on from there", fault);
                // Up to the doubling from which on the longest delay counts anyway: the product is to stay a time.
                TimeSpan delay = options.RetryDelay * Math.Pow(2, Math.Min(faults - 1, 16));
                delay = delay < LongestDelay ? delay : LongestDelay;
                progress.Note($"{archive.Name}: {fault.Message}; trying again in {delay.TotalSeconds:0.#} s");
                await Task.Delay(delay, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task RequestAsync(CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (file.Length > 0)
            request.Headers.Range = new RangeHeaderValue(file.Length, null);
        using HttpResponseMessage response = await Impatient(
            token => client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token), patience, cancellation).ConfigureAwait(false);
        ContentRangeHeaderValue? range = response.Content.Headers.ContentRange;
        long skip = 0;
        long? whole = size;
        switch (response.StatusCode)
        {
            case HttpStatusCode.OK:
                // The server ignores ranges: what is there already is read over, not written again.
                skip = file.Length;
                whole = response.Content.Headers.ContentLength ?? size;
                break;
            case HttpStatusCode.PartialContent when range?.From == file.Length:
                whole = range.Length ?? size;
                break;
            case HttpStatusCode.PartialContent:
                throw new TransferFaultException($"asked for bytes from {file.Length}, the server sends those from {range?.From}");
            case HttpStatusCode.RequestedRangeNotSatisfiable when file.Length > 0:
                if ((range?.Length ?? size ?? file.Length) == file.Length)
                    return;
                Restart();
                throw new TransferFaultException("the server has less of it than an earlier run left");
            default:
                string status = $"the server answers {(int)response.StatusCode} {response.ReasonPhrase}".TrimEnd();
                throw IsPassing(response.StatusCode) ? new TransferFaultException(status) : new InputException($"{address}: {status}");
        }
        await ReceiveAsync(response, skip, patience, cancellation).ConfigureAwait(false);
        if (whole is { } expected && file.Length < expected)
            throw new TransferFaultException($"the connection ended after {file.Length} of {expected} bytes");
    }

    private async Task ReceiveAsync(HttpResponseMessage response, long skip, CancellationTokenSource patience, CancellationToken cancellation)
    {
        using Stream body = await Impatient(response.Content.ReadAsStreamAsync, patience, cancellation).ConfigureAwait(false);
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            for (int count; (count = await Impatient(token => body.ReadAsync(block, token).AsTask(), patience, cancellation).ConfigureAwait(false)) > 0;)
            {
                int over = (int)Math.Min(skip, count);
                skip -= over;
                ReadOnlyMemory<byte> news = block.AsMemory(over, count - over);
                await file.WriteAsync(news, cancellation).ConfigureAwait(false);
                hash.AppendData(news.Span);
                item.Advance(news.Length);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    /// <summary>Waits for the network as long as it may be silent. What goes wrong there, and nothing else, is a fault that is tried again.</summary>
    private async Task<T> Impatient<T>(Func<CancellationToken, Task<T>> step, CancellationTokenSource patience, CancellationToken cancellation)
    {
        patience.CancelAfter(options.Timeout);
        try
        {
            return await step(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new TransferFaultException($"the server was silent for {options.Timeout.TotalSeconds:0.#} s", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new TransferFaultException(e.Message.ReplaceLineEndings(" "), e);
        }
    }

    internal static bool IsPassing(HttpStatusCode status) =>
        (int)status >= 500 || status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests;

    /// <summary>The network or the server failed; the next attempt may not.</summary>
    private sealed class TransferFaultException(string message, Exception? inner = null) : Exception(message, inner);
}
