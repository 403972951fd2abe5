using System.CommandLine;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Runtime;

namespace Ds2.Bench.Gpu;

/// <summary><c>kernels</c>: training steps on a GPU, then their kernels by the device's own clock, beside an estimate.</summary>
internal static class KernelsCommand
{
    public static Command Create()
    {
        Option<DeviceChoice> device = DeviceOption.Create(DeviceKind.Cuda);
        var estimate = new Option<string?>("--estimate") { Description = "a file with the table of gpu-report --step, such as docs/gpu.md", HelpName = "FILE" };
        var command = new Command("kernels", "Training steps on a GPU, and their kernels' own times.") { device, estimate };
        Func<ParseResult, StepOptions> read = StepOptions.AddTo(command);
        command.SetAction(parsed =>
        {
            IReadOnlyDictionary<string, EstimatedKernel> estimates = parsed.GetValue(estimate) is { } file
                ? EstimatedKernel.Read(file)
                : new Dictionary<string, EstimatedKernel>();
            using var clock = new KernelClock();
            using IlgpuEngine engine = Engine(parsed.GetValue(device), clock);
            Run(read(parsed), engine, clock, estimates);
        });
        return command;
    }

    private static IlgpuEngine Engine(DeviceChoice device, KernelClock clock) => IlgpuEngine.Timed(
        device.Kind switch
        {
            DeviceKind.Cuda => IlgpuDeviceKind.Cuda,
            DeviceKind.OpenCl => IlgpuDeviceKind.OpenCl,
            DeviceKind.Emulated => IlgpuDeviceKind.Emulated,
            _ => throw new InputException($"--device {device}: kernels are timed on cuda, opencl or emulated"),
        },
        device.Number ?? 0, clock);

    private static void Run(StepOptions options, IlgpuEngine engine, KernelClock clock, IReadOnlyDictionary<string, EstimatedKernel> estimates)
    {
        // Without events, which cost time of their own; and printed before they come in.
        StepResult step = StepMeasurement.Measure(options, engine);
        Console.WriteLine(step.ToText(engine.Name));
        Console.WriteLine();
        IReadOnlyList<KernelTime> times;
        try
        {
            times = KernelTime.Measure(options, engine, clock);
        }
        catch (EntryPointNotFoundException exception)
        {
            // An emulator's driver may lack them; NVIDIA's does not.
            Console.WriteLine($"kernels not timed, the driver has no events: {exception.Message}");
            return;
        }

        double seconds = times.Sum(time => time.Seconds);
        Console.WriteLine($"kernels {1e3 * seconds:F1} ms of the step's {1e3 * step.MedianSeconds:F1} ms, by events around each launch, a mean of {options.Steps} steps");
        Console.WriteLine("an event's time has the few us between launches in it: kernels of less than 10 us each show mostly those");
        Console.WriteLine();
        Console.WriteLine(KernelTime.Table(times, estimates));
    }
}
