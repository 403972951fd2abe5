using System.Collections.Concurrent;
using Ds2.Runtime;

namespace Ds2.Train.Live;

/// <summary>Reads a pipe on a thread of its own, so that what waits for sound can be interrupted, and sound does not wait for what hears it.</summary>
internal sealed class PipeReader : IDisposable
{
    private const int BlockBytes = 64 * 1024;

    // At 16 kHz two minutes and more; whoever writes into the pipe then waits.
    private const int MostBlocks = 1024;

    private readonly BlockingCollection<byte[]> blocks = new(MostBlocks);
    private readonly string name;
    private long waiting;
    private Exception? failure;

    /// <summary>Begins to read.</summary>
    /// <param name="input">The pipe; stays the caller's.</param>
    /// <param name="name">What errors call it.</param>
    public PipeReader(Stream input, string name)
    {
        this.name = name;
        new Thread(() => Read(input)) { IsBackground = true, Name = "ds2 live input" }.Start();
    }

    /// <summary>Bytes that were read and not yet taken.</summary>
    public long Waiting => Interlocked.Read(ref waiting);

    /// <summary>Waits for the next bytes; null at the end.</summary>
    /// <exception cref="InputException">The pipe cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public byte[]? Take(CancellationToken cancellation)
    {
        if (!blocks.TryTake(out byte[]? block, Timeout.Infinite, cancellation))
            return failure is null ? null : throw new InputException($"{name}: cannot be read: {failure.Message}", failure);
        Interlocked.Add(ref waiting, -block.Length);
        return block;
    }

    /// <summary>More bytes that are there already; null for none.</summary>
    public byte[]? TakeWaiting()
    {
        if (!blocks.TryTake(out byte[]? block))
            return null;
        Interlocked.Add(ref waiting, -block.Length);
        return block;
    }

    public void Dispose() => blocks.CompleteAdding();

    private void Read(Stream input)
    {
        try
        {
            var buffer = new byte[BlockBytes];
            for (int count; (count = input.Read(buffer)) > 0;)
            {
                Interlocked.Add(ref waiting, count);
                blocks.Add(buffer[..count]);
            }
        }
        catch (IOException exception)
        {
            failure = exception;
        }
        catch (InvalidOperationException)
        {
            // Nobody listens any more.
        }
        finally
        {
            blocks.CompleteAdding();
        }
    }
}
