using System.Diagnostics;

namespace Ds2.Train.Reporting;

/// <summary>A file that grows by whole records. What cannot be written is said once on stderr, kept, and tried again with a later record: none is torn or missing.</summary>
/// <param name="open">Opens the file at its end; called again where it fails.</param>
internal sealed class AppendedFile(Func<FileStream> open) : IDisposable
{
    /// <summary>A disk that fails may take its time to say so: it is not asked for every record.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly MemoryStream unwritten = new();
    private FileStream? file;
    private long lastFailure;
    private bool told;

    /// <summary>Appends a record, after those that are still to be written.</summary>
    public void Write(ReadOnlySpan<byte> record)
    {
        unwritten.Write(record);
        if (lastFailure == 0 || Stopwatch.GetElapsedTime(lastFailure) >= Pause)
            Flush();
    }

    /// <summary>Tries a last time what is unwritten, and closes the file.</summary>
    public void Dispose()
    {
        if (unwritten.Length > 0)
            Flush();
        unwritten.Dispose();
        file?.Dispose();
    }

    private void Flush()
    {
        long end = -1;
        try
        {
            file ??= open();
            end = file.Position;
            file.Write(unwritten.GetBuffer(), 0, (int)unwritten.Length);
            unwritten.SetLength(0);
            lastFailure = 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            lastFailure = Stopwatch.GetTimestamp();
            if (end >= 0)
                file!.SetLength(end); // and the position with it: half a record would make the next one unreadable
            if (!told)
                TolerantReporter.Tell(exception);
            told = true;
        }
    }
}
