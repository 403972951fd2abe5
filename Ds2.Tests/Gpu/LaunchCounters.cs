using System.Text.Json;

namespace Ds2.Tests.Gpu;

/// <summary>What the emulated GPU counted, kernel by kernel: the file that PTXEMU_STATS names.</summary>
/// <param name="kernels">The file's entries of kernels, one for each kernel and launch shape.</param>
internal sealed class LaunchCounters(IReadOnlyList<JsonElement> kernels)
{
    /// <summary>The file, or null where the emulator does not count.</summary>
    public static string? File { get; } = Environment.GetEnvironmentVariable("PTXEMU_STATS");

    /// <summary>What was counted so far; the emulator writes it when an engine is disposed.</summary>
    public static LaunchCounters Read()
    {
        using JsonDocument document = JsonDocument.Parse(System.IO.File.ReadAllBytes(File!));
        return new LaunchCounters([.. document.RootElement.EnumerateArray()
            .Where(entry => entry.GetProperty("kind").GetString() == "kernel").Select(entry => entry.Clone())]);
    }

    /// <summary>The entries of a kernel, by the name of its method: at least one.</summary>
    public LaunchCounters Of(string kernel)
    {
        JsonElement[] found = [.. kernels.Where(entry => entry.GetProperty("kernel").GetString() == $"Kernel_{kernel}")];
        Assert.That(found, Is.Not.Empty, $"no launch of {kernel} was counted");
        return new LaunchCounters(found);
    }

    /// <summary>The entries launched with so many groups in the first dimension.</summary>
    public LaunchCounters WithGrid(int x) => new([.. kernels.Where(entry => entry.GetProperty("grid")[0].GetInt32() == x)]);

    /// <summary>The sum of a figure over all entries, as <c>Sum("global_load", "sectors")</c>.</summary>
    public double Sum(params string[] path) =>
        kernels.Sum(entry => path.Aggregate(entry, (element, name) => element.GetProperty(name)).GetDouble());

    /// <summary>Bytes that the lanes asked for over the bytes of the 32-byte sectors that had to move.</summary>
    public double Efficiency(string access) => Sum(access, "bytes") / (32 * Sum(access, "sectors"));

    /// <summary>Fused multiply-adds as a part of what a P100 issues: PTX instructions without those that the assembler merges or removes.</summary>
    public double MultiplyAddShare => Sum("f32_flops") / 2 / 32 / (Sum("warp_instructions") - Sum("contracted") - Sum("by_class", "move"));

    /// <summary>Passes over the banks of shared memory for each pass that a conflict-free access takes.</summary>
    public double Ways(string access) => Sum(access, "phases") / Sum(access, "phases_ideal");
}
