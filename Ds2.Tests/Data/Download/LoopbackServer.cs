using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ds2.Tests.Data.Download;

/// <summary>What a client asked for.</summary>
/// <param name="Method">GET or HEAD.</param>
/// <param name="Name">The file.</param>
/// <param name="From">Where the range starts; 0 if there is none.</param>
/// <param name="Number">How many GETs of this file there were before.</param>
internal sealed record ServerRequest(string Method, string Name, long From, int Number);

/// <summary>How a server answers; what is not said is done right.</summary>
internal sealed record ServerAnswer
{
    public static ServerAnswer Right { get; } = new();

    /// <summary>A status with no content, in place of the file.</summary>
    public HttpStatusCode? Status { get; init; }

    /// <summary>Bytes of the body after which it ends.</summary>
    public long Limit { get; init; } = long.MaxValue;

    /// <summary>Whether the connection then stays open and silent; else it is closed.</summary>
    public bool Hang { get; init; }

    /// <summary>The whole file is sent whatever was asked for.</summary>
    public bool IgnoreRange { get; init; }

    /// <summary>The length is not said: the end of the connection is the end of the file.</summary>
    public bool NoLength { get; init; }

    /// <summary>What the bytes are turned into.</summary>
    public Func<byte[], byte[]>? Change { get; init; }

    /// <summary>Bytes a second; 0 for as fast as it goes.</summary>
    public int Rate { get; init; }
}

/// <summary>An HTTP server for files in memory, with ranges, on a loopback port; it can do wrong on demand.</summary>
internal sealed class LoopbackServer : IDisposable
{
    private const int BlockBytes = 16 * 1024;

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly IReadOnlyDictionary<string, byte[]> files;
    private readonly Func<ServerRequest, ServerAnswer> plan;
    private readonly ConcurrentQueue<ServerRequest> requests = new();
    private readonly Task accepting;

    public LoopbackServer(IReadOnlyDictionary<string, byte[]> files, Func<ServerRequest, ServerAnswer>? plan = null)
    {
        this.files = files;
        this.plan = plan ?? (_ => ServerAnswer.Right);
        listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/files");
        accepting = AcceptAsync();
    }

    public Uri Address { get; }

    /// <summary>The GETs so far.</summary>
    public IReadOnlyList<ServerRequest> Gets => [.. requests.Where(request => request.Method == "GET")];

    public void Dispose()
    {
        stop.Cancel();
        listener.Stop();
        accepting.Wait();
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (!stop.IsCancellationRequested)
                _ = ServeAsync(await listener.AcceptTcpClientAsync(stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                NetworkStream stream = client.GetStream();
                if (await ReadAsync(stream) is { } request)
                    await AnswerAsync(stream, request);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // the client went away, or the test ended
            }
        }
    }

    private async Task<ServerRequest?> ReadAsync(NetworkStream stream)
    {
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        string[] first = (await reader.ReadLineAsync(stop.Token) ?? "").Split(' ');
        if (first.Length < 2)
            return null;
        long from = 0;
        while (await reader.ReadLineAsync(stop.Token) is { Length: > 0 } line)
        {
            if (line.StartsWith("Range: bytes=", StringComparison.OrdinalIgnoreCase))
                from = long.Parse(line[13..].TrimEnd('-'), CultureInfo.InvariantCulture);
        }
        string name = first[1].Split('/')[^1];
        lock (requests)
        {
            var request = new ServerRequest(first[0], name, from, Gets.Count(get => get.Name == name));
            requests.Enqueue(request);
            return request;
        }
    }

    private async Task AnswerAsync(NetworkStream stream, ServerRequest request)
    {
        ServerAnswer answer = plan(request);
        byte[]? content = files.GetValueOrDefault(request.Name);
        HttpStatusCode? status = answer.Status ?? (content is null ? HttpStatusCode.NotFound : null);
        if (status is { } refusal)
        {
            await WriteAsync(stream, $"HTTP/1.1 {(int)refusal} {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        content = answer.Change?.Invoke(content!) ?? content!;
        long from = answer.IgnoreRange ? 0 : request.From;
        if (from >= content.Length && from > 0)
        {
            await WriteAsync(stream, $"HTTP/1.1 416 Range\r\nContent-Range: bytes */{content.Length}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        string length = answer.NoLength ? "" : $"Content-Length: {content.Length - from}\r\n";
        string head = from > 0 ? $"206 Partial Content\r\nContent-Range: bytes {from}-{content.Length - 1}/{content.Length}" : "200 OK";
        await WriteAsync(stream, $"HTTP/1.1 {head}\r\n{length}Connection: close\r\n\r\n");
        if (request.Method == "HEAD")
            return;
        long end = Math.Min(content.Length, from + Math.Min(answer.Limit, content.Length));
        for (long at = from; at < end; at += BlockBytes)
        {
            int count = (int)Math.Min(BlockBytes, end - at);
            await stream.WriteAsync(content.AsMemory((int)at, count), stop.Token);
            if (answer.Rate > 0)
                await Task.Delay(TimeSpan.FromSeconds((double)count / answer.Rate), stop.Token);
        }
        if (answer.Hang)
            await Task.Delay(Timeout.Infinite, stop.Token);
    }

    private async Task WriteAsync(NetworkStream stream, string text) => await stream.WriteAsync(Encoding.ASCII.GetBytes(text), stop.Token);
}
