using System.CommandLine;
using Ds2.Kernels.Engines;

namespace Ds2.Bench;

/// <summary><c>--device</c>, for the commands that take one.</summary>
internal static class DeviceOption
{
    /// <summary>The option.</summary>
    /// <param name="byDefault">Without it.</param>
    public static Option<DeviceChoice> Create(DeviceKind byDefault) => new("--device")
    {
        Description = DeviceChoice.Forms,
        DefaultValueFactory = _ => new DeviceChoice(byDefault),
        CustomParser = result =>
        {
            try
            {
                return DeviceChoice.Parse(result.Tokens[^1].Value);
            }
            catch (FormatException exception)
            {
                result.AddError($"--device {exception.Message}");
                return default;
            }
        },
    };

    /// <summary>The device's engine; what falls back to the host says so on stderr.</summary>
    /// <exception cref="DeviceUnavailableException">A device asked for by name is absent or cannot be used.</exception>
    public static IEngine Engine(DeviceChoice device, int threads = 0) =>
        EngineFactory.Create(device, threads, line => Console.Error.WriteLine($"ds2: --device auto: {line}"));
}
