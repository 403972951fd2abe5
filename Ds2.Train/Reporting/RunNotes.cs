using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting;

/// <summary>What a run has noticed and its user should know: shown when it is, and kept for the run's folder and report.</summary>
internal sealed class RunNotes : IRunReporter
{
    private readonly List<string> lines = [];

    /// <summary>All so far.</summary>
    public IReadOnlyList<string> Lines => lines;

    /// <summary>A line that is told before the run starts: on stderr.</summary>
    public void Add(string line)
    {
        Console.Error.WriteLine($"ds2: {line}");
        // The feature store notes from several threads.
        lock (lines)
            lines.Add(line);
    }

    public void Start(RunSetup run)
    {
    }

    /// <summary>Of a run that goes on: whoever displays it shows the line.</summary>
    void ITrainingObserver.OnNote(string line)
    {
        lock (lines)
            lines.Add(line);
    }

    public void Dispose()
    {
    }
}
