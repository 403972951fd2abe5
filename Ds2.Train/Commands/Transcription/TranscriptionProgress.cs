using System.Diagnostics;
using System.Globalization;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands.Transcription;

/// <summary>Says on stderr how far the transcription of many recordings is: how many, how much sound, at what rate, how long it will go on. On a terminal one line in its place, else one now and then.</summary>
/// <param name="sizes">The size of each recording in bytes: what is left is reckoned by these, as lengths are not known before files are opened.</param>
/// <param name="output">Where the lines go.</param>
/// <param name="inPlace">Whether each line takes the place of the last.</param>
internal sealed class TranscriptionProgress(IReadOnlyDictionary<string, long> sizes, TextWriter output, bool inPlace)
{
    private const string Erase = "\r\u001b[K";

    private readonly long start = Stopwatch.GetTimestamp();
    private readonly long all = Math.Max(1, sizes.Values.Sum());
    private readonly TimeSpan interval = TimeSpan.FromSeconds(inPlace ? 0.2 : 10);
    private long bytes, said;
    private int recordings;
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
        recordings++;
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

    private void Say()
    {
        if (Stopwatch.GetElapsedTime(said == 0 ? start : said) < interval)
            return;
        said = Stopwatch.GetTimestamp();
        shown = inPlace;
        if (inPlace)
            output.Write(Erase + Line());
        else
            output.WriteLine(Line());
    }

    private void Clear()
    {
        if (shown)
            output.Write(Erase);
        shown = false;
    }

    /// <summary>"12 of 100 recordings, 1:02:03 of sound, 45 x real time, 0:35 left".</summary>
    private string Line()
    {
        double elapsed = Math.Max(1e-3, Stopwatch.GetElapsedTime(start).TotalSeconds);
        string line = string.Create(CultureInfo.InvariantCulture, $"{recordings} of {sizes.Count} recordings, {Durations.Text(seconds)} of sound, {seconds / elapsed:F0} x real time");
        return recordings < sizes.Count && bytes > 0 ? $"{line}, {Durations.Text(elapsed * (all - bytes) / bytes)} left" : line;
    }
}
