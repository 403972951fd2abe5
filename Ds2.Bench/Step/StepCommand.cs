using System.CommandLine;
using Ds2.Kernels.Engines;

namespace Ds2.Bench.Step;

/// <summary><c>step</c>: whole training steps on random input, the median of several.</summary>
internal static class StepCommand
{
    public static Command Create()
    {
        Option<DeviceChoice> device = DeviceOption.Create(DeviceKind.Host);
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("step", "Whole training steps on random input.") { device, json };
        Func<ParseResult, StepOptions> read = StepOptions.AddTo(command);
        command.SetAction(parsed =>
        {
            StepOptions options = read(parsed);
            using IEngine engine = DeviceOption.Engine(parsed.GetValue(device), options.Threads);
            StepResult result = StepMeasurement.Measure(options, engine);
            Console.WriteLine(parsed.GetValue(json) ? result.ToJson() : result.ToText(engine.Name));
        });
        return command;
    }
}
