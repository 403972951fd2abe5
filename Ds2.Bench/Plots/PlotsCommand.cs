using System.CommandLine;
using Ds2.Bench.Step;
using Ds2.Runtime;

namespace Ds2.Bench.Plots;

/// <summary><c>plots</c>: step time against frames, batch, hidden size and threads, measured and drawn.</summary>
internal static class PlotsCommand
{
    private const string Data = "step-times.json";

    public static Command Create()
    {
        var axes = new Option<string[]>("--axis")
        {
            Description = $"measures these alone: {string.Join(", ", StepSweep.Axes.Keys)}",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [.. StepSweep.Axes.Keys],
        };
        var folder = new Option<string>("--out") { Description = "the folder of plots and data", DefaultValueFactory = _ => Path.Combine("docs", "plots") };
        var draw = new Option<bool>("--draw") { Description = $"measures nothing and draws what {Data} holds" };
        var command = new Command("plots", "Step time against frames, batch, hidden size and threads, as SVG with the data beside.") { axes, folder, draw };
        Func<ParseResult, StepOptions> read = StepOptions.AddTo(command);
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(folder), data = Path.Combine(path, Data);
            Directory.CreateDirectory(path);
            List<StepSweep> sweeps = File.Exists(data) || parsed.GetValue(draw) ? StepSweep.Read(data) : [];
            foreach (string axis in parsed.GetValue(draw) ? [] : parsed.GetRequiredValue(axes))
            {
                if (!StepSweep.Axes.ContainsKey(axis))
                    throw new InputException($"--axis {axis}: the axes are {string.Join(", ", StepSweep.Axes.Keys)}");
                StepSweep sweep = StepSweep.Measure(axis, read(parsed), Console.WriteLine);
                sweeps.RemoveAll(other => other.Axis == axis);
                sweeps.Add(sweep);
                StepSweep.Write(data, sweeps);
            }

            foreach (StepSweep sweep in sweeps)
                StepPlot.Draw(sweep, Path.Combine(path, $"step-{sweep.Axis}.svg"));
        });
        return command;
    }
}
