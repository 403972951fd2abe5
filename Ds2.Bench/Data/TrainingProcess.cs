using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Ds2.Runtime;

namespace Ds2.Bench.Data;

/// <summary>A run of <c>Ds2.Train train --json</c> as a process that is watched, and killed at a batch if asked.</summary>
/// <remarks>The peak of its resident memory is Linux's <c>VmHWM</c>, set back at each quarter of the run's batches.</remarks>
internal sealed class TrainingProcess
{
    private readonly double[] peaks = new double[4];

    /// <summary>From the process's start to the first step's end; not a number where there was none.</summary>
    public double FirstBatchSeconds { get; private set; } = double.NaN;

    /// <summary>From the process's start to its end.</summary>
    public double Seconds { get; private set; }

    /// <summary>The first batch that it trained on, counted over all epochs from 0; -1 where there was none.</summary>
    public long FirstBatch { get; private set; } = -1;

    /// <summary>The last one.</summary>
    public long LastBatch { get; private set; } = -1;

    /// <summary>Whether it was killed.</summary>
    public bool Killed { get; private set; }

    /// <summary>Peak of the resident memory before the first step, in MB.</summary>
    public double StartPeak { get; private set; }

    /// <summary>The peak in each quarter of the run's batches, in MB, evaluations within the quarter included; 0 for those that the process had no part in.</summary>
    public IReadOnlyList<double> QuarterPeaks => peaks;

    /// <summary>Runs until the end, or the kill.</summary>
    /// <param name="program">The program and its first arguments: dotnet, Ds2.Train.dll.</param>
    /// <param name="arguments">The rest.</param>
    /// <param name="epochs">Epochs of the whole run.</param>
    /// <param name="killAt">The share of the run's batches after which it is killed; null for never.</param>
    /// <exception cref="InputException">The program cannot be started, or leaves with another status than 0.</exception>
    public static TrainingProcess Run(IReadOnlyList<string> program, IEnumerable<string> arguments, int epochs, double? killAt)
    {
        var run = new TrainingProcess();
        long start = Stopwatch.GetTimestamp();
        using Process process = Start(program, arguments);
        try
        {
            run.Watch(process, epochs, killAt, start);
        }
        catch
        {
            process.Kill();
            throw;
        }

        process.WaitForExit();
        run.Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return run.Killed || process.ExitCode == 0 ? run : throw new InputException($"{string.Join(' ', program)} left with status {process.ExitCode}");
    }

    private static Process Start(IReadOnlyList<string> program, IEnumerable<string> arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program[0], [.. program.Skip(1), .. arguments]) { RedirectStandardOutput = true })!;
        }
        catch (Win32Exception exception)
        {
            throw new InputException($"{program[0]}: cannot be started: {exception.Message}", exception);
        }
    }

    private void Watch(Process process, int epochs, double? killAt, long start)
    {
        string status = $"/proc/{process.Id}/status", reset = $"/proc/{process.Id}/clear_refs";
        while (process.StandardOutput.ReadLine() is { } line)
        {
            // What comes after a kill may be half a line.
            if (Killed)
                continue;
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement json = document.RootElement;
            string kind = json.GetProperty("event").GetString()!;
            if (kind is not ("batch" or "epoch"))
                continue;
            if (kind == "batch")
            {
                long batches = json.GetProperty("batches").GetInt64(), batch = (json.GetProperty("epoch").GetInt64() - 1) * batches + json.GetProperty("batch").GetInt64() - 1;
                int quarter = Quarter(batch, epochs * batches);
                if (FirstBatch < 0)
                {
                    (FirstBatch, FirstBatchSeconds, StartPeak) = (batch, Stopwatch.GetElapsedTime(start).TotalSeconds, Peak(status));
                    Reset(reset);
                }
                else if (Quarter(LastBatch, epochs * batches) is var before && before != quarter)
                {
                    peaks[before] = Peak(status);
                    Reset(reset);
                }
                LastBatch = batch;
                if (killAt is { } share && batch + 1 >= share * epochs * batches)
                {
                    peaks[quarter] = Peak(status);
                    process.Kill();
                    Killed = true;
                }
                else if (batch + 1 == epochs * batches)
                {
                    peaks[quarter] = Peak(status);
                }
            }
            else
            {
                // After the evaluation; the report and the last checkpoint are still to come.
                peaks[^1] = peaks[^1] > 0 ? Math.Max(peaks[^1], Peak(status)) : 0;
            }
        }
    }

    private int Quarter(long batch, long batches) => (int)(batch * peaks.Length / batches);

    private static double Peak(string status)
    {
        if (!File.Exists(status))
            return 0;
        string? line = File.ReadLines(status).FirstOrDefault(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        // A process that has just ended has no memory left to state.
        return line is null ? 0 : double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>5 sets the peak back to what is resident now (proc(5), clear_refs).</summary>
    private static void Reset(string file)
    {
        if (File.Exists(file))
            File.WriteAllText(file, "5");
    }
}
