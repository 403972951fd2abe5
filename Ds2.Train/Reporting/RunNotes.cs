using System.Collections.Concurrent;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting;

/// <summary>What a run has noticed and its user should know: shown when it is, and kept for the run's folder and report.</summary>
/// <param name="json">Whether the run is shown as JSON lines, which have notes too once it has started.</param>
internal sealed class RunNotes(bool json) : IRunReporter
{
    /// <summary>Lines that are kept: of a feature cache that a power failure has damaged each entry has one.</summary>
    private const int Most = 100;

    // Loaders note what is wrong with the feature cache from their threads, while the report is written.
    private readonly ConcurrentQueue<string> lines = [];
    private bool started;

    /// <summary>All so far.</summary>
    public IReadOnlyCollection<string> Lines => lines;

    /// <summary>A line on stderr; from any thread.</summary>
    public void Add(string line)
    {
        Console.Error.WriteLine($"ds2: {line}");
        Keep(line);
    }

    public void Start(RunSetup run) => started = true;

    /// <summary>Whoever displays the run shows the line.</summary>
    void ITrainingObserver.OnNote(string line) => Keep(line);

    public void Dispose()
    {
    }

    private void Keep(string line)
    {
        if (lines.Count < Most)
            lines.Enqueue(lines.Count < Most - 1 ? line : "what else was noticed stands on stderr alone");
        if (json && started)
            JsonLines.Write(new { Event = "note", Text = line });
    }
}
