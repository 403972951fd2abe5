using System.CommandLine;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;
using Spectre.Console;

namespace Ds2.Train.Commands;

/// <summary><c>devices</c>: what <c>--device</c> can choose from on this machine.</summary>
internal static class DevicesCommand
{
    public static Command Create()
    {
        var command = new Command("devices", "What --device can choose from on this machine.");
        command.SetAction(_ => Run());
        return command;
    }

    private static int Run()
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("--device", "name", "memory");
        using (var host = new HostEngine())
            table.AddRow("host", Markup.Escape(host.Name), "");
        foreach (IlgpuDevice device in IlgpuEngine.Devices(line => Console.Error.WriteLine($"ds2: {line}")))
        {
            table.AddRow(
                device.Kind == IlgpuDeviceKind.Emulated ? "emulated" : $"{device.Kind.ToString().ToLowerInvariant()}:{device.Index}",
                Markup.Escape(device.Name),
                device.MemoryBytes is > 0 and < long.MaxValue ? $"{device.MemoryBytes / (1024.0 * 1024 * 1024):F1} GiB" : "");
        }

        AnsiConsole.Write(table);
        return 0;
    }
}
