using System.Globalization;

namespace Ds2.Kernels.Engines;

/// <summary>A device as <c>--device</c> names it: a kind, and which of that kind: <c>cuda</c>, <c>cuda:1</c>.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Number">Which of the kind, counted from 0; only CUDA's and OpenCL's devices are counted. With auto, which of CUDA's, as a job's ranks take one each. Null where nothing is said: the first, or each rank its own.</param>
public readonly record struct DeviceChoice(DeviceKind Kind, int? Number = null)
{
    /// <summary>What can be written, for help and messages.</summary>
    public const string Forms = "auto|cuda[:N]|opencl[:N]|host|emulated";

    /// <summary>Reads a choice, in any case.</summary>
    /// <param name="text">What was written.</param>
    /// <exception cref="FormatException">It names no device; the message says what can be written.</exception>
    public static DeviceChoice Parse(string text)
    {
        string[] parts = text.Split(':', 2);
        // By name: Enum.TryParse would take numbers and lists too.
        if (Enum.GetNames<DeviceKind>().FirstOrDefault(name => name.Equals(parts[0], StringComparison.OrdinalIgnoreCase)) is not { } known)
            throw new FormatException($"'{text}' is no device; the devices are {Forms}");
        DeviceKind kind = Enum.Parse<DeviceKind>(known);
        if (parts.Length == 1)
            return new DeviceChoice(kind);
        if (kind is not (DeviceKind.Cuda or DeviceKind.OpenCl))
            throw new FormatException($"'{text}': only cuda and opencl devices have numbers; the devices are {Forms}");
        return int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? new DeviceChoice(kind, number)
            : throw new FormatException($"'{text}': '{parts[1]}' is no number of a device; `devices` lists them from 0");
    }

    /// <summary>As it is written: <c>cuda</c>, <c>cuda:1</c>.</summary>
    public override string ToString() => Kind.ToString().ToLowerInvariant() + (Number is { } number ? $":{number}" : "");
}
