using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Step;

/// <summary>The training step that <c>step</c> and <c>peers</c> are asked to time.</summary>
/// <param name="Run">The model and the optimiser.</param>
/// <param name="Batch">Utterances.</param>
/// <param name="Frames">Feature frames of each.</param>
/// <param name="Labels">Labels of each text.</param>
/// <param name="Steps">Timed steps.</param>
/// <param name="Threads">Threads of the host engine; 0 for one per core.</param>
internal sealed record StepOptions(RunOptions Run, int Batch, int Frames, int Labels, int Steps, int Threads)
{
    private const double SecondsPerFrame = 0.01;

    /// <summary>Seconds of speech in a batch.</summary>
    public double AudioSeconds => Batch * Frames * SecondsPerFrame;

    /// <summary>Adds the command-line options to a command.</summary>
    /// <returns>Reads them from parsed arguments.</returns>
    /// <remarks>What it returns throws an <see cref="InputException"/> where an option's value is of no use.</remarks>
    public static Func<ParseResult, StepOptions> AddTo(Command command)
    {
        (Option<string> preset, Option<string[]> set) = ModelArguments.Create("mini");
        var batch = new Option<int>("--batch") { Description = "utterances", DefaultValueFactory = _ => 8 };
        var frames = new Option<int>("--frames") { Description = "feature frames of each, 10 ms apart", DefaultValueFactory = _ => 200 };
        var labels = new Option<int>("--labels") { Description = "labels of each text", DefaultValueFactory = _ => 20 };
        var steps = new Option<int>("--steps") { Description = "timed steps, after two to warm up", DefaultValueFactory = _ => 5 };
        var threads = new Option<int>("--threads") { Description = "threads of the host engine; 0 for one per core" };
        foreach (Option option in new Option[] { preset, set, batch, frames, labels, steps, threads })
            command.Options.Add(option);
        return parsed => new StepOptions(
            ModelArguments.Read(parsed, preset, set),
            AtLeast(1, batch, parsed), AtLeast(1, frames, parsed), AtLeast(0, labels, parsed), AtLeast(1, steps, parsed), AtLeast(0, threads, parsed));
    }

    /// <summary>An option's value.</summary>
    /// <exception cref="InputException">It is too small.</exception>
    internal static int AtLeast(int least, Option<int> option, ParseResult parsed)
    {
        int value = parsed.GetValue(option);
        return value >= least ? value : throw new InputException($"{option.Name} {value}: must be at least {least}");
    }
}
