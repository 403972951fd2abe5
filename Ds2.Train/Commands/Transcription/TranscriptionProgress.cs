using System.Globalization;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands.Transcription;

/// <summary>Says on stderr how far the transcription of many recordings is: how many, how much sound, at what rate, how long it will go on. On a terminal one line in its place, else one now and then.</summary>
/// <remarks>What is left is reckoned by the sizes of files, as lengths are not known before these are opened.</remarks>
/// <param name="recordings">The recordings.</param>
/// <param name="output">Where the lines go.</param>
/// <param name="inPlace">Whether each line takes the place of the last.</param>
/// <param name="clock">The time; null for the system's.</param>
internal sealed class TranscriptionProgress(IReadOnlyCollection<ListedRecording> recordings, TextWriter output, bool inPlace, TimeProvider? clock = null)
{
    private const string Erase = "\r\u001b[K";

    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly long start = (clock ?? TimeProvider.System).GetTimestamp();
    private readonly Dictionary<string, long> sizes = recordings.ToDictionary(recording => recording.Path, recording => File.Exists(recording.Path) ? new FileInfo(recording.Path).Length : 0);
    private readonly TimeSpan interval = TimeSpan.FromSeconds(inPlace ? 0.2 : 10);
    private long bytes, said;
    private int done;
    private double seconds;
    private bool shown;

    /// <summary>So much more was heard.</summary>
    public void Hear(double more)
    {
        seconds += more;
        Say();
    }

    /// <summary>A recording is done, or given up.</summary>
    public void End(string path)
    {
        done++;
        bytes += sizes.GetValueOrDefault(path);
        Say();
    }

    /// <summary>Says a line that stays.</summary>
    public void Note(string line)
    {
        Clear();
        output.WriteLine($"ds2: {line}");
    }

    /// <summary>The last line, with what was done in all.</summary>
    public void Finish()
    {
        Clear();
        output.WriteLine(Line());
    }

    /// <summary>Takes the line away that would be replaced by the next.</summary>
    public void Clear()
    {
        if (shown)
            output.Write(Erase);
        shown = false;
    }

    private void Say()
    {
        if (clock.GetElapsedTime(said == 0 ? start : said) < interval)
            return;
        said = clock.GetTimestamp();
        shown = inPlace;
        if (inPlace)
            output.Write(Erase + Line());
        else
            output.WriteLine(Line());
    }

    /// <summary>"12 of 100 recordings, 1:02:03 of sound, 45 x real time, 0:35 left".</summary>
    private string Line()
    {
        double elapsed = Math.Max(1e-3, clock.GetElapsedTime(start).TotalSeconds);
        string line = string.Create(CultureInfo.InvariantCulture, $"{done} of {sizes.Count} recordings, {Durations.Text(seconds)} of sound, {seconds / elapsed:F0} x real time");
        return done < sizes.Count && bytes > 0 ? $"{line}, {Durations.Text(elapsed * (sizes.Values.Sum() - bytes) / bytes)} left" : line;
    }
}
