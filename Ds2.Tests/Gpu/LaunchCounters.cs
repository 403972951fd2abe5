using System.Text.Json;

namespace Ds2.Tests.Gpu;

/// <summary>What the emulated GPU counted, kernel by kernel: the file that PTXEMU_STATS names.</summary>
internal sealed class LaunchCounters
{
    private readonly IReadOnlyList<JsonElement> entries;
    private readonly IReadOnlyList<JsonElement> earlier;

    private LaunchCounters(IReadOnlyList<JsonElement> entries, IReadOnlyList<JsonElement> earlier)
    {
        this.entries = entries;
        this.earlier = earlier;
    }

    /// <summary>The file, or null where the emulator does not count.</summary>
    public static string? File { get; } = Environment.GetEnvironmentVariable("PTXEMU_STATS");

    /// <summary>What was counted so far, in this process; the emulator writes it when an engine is disposed.</summary>
    public static LaunchCounters Read() => Since(null);

    /// <summary>What was counted so far and not yet <paramref name="before"/>.</summary>
    public static LaunchCounters Since(LaunchCounters? before)
    {
        if (!System.IO.File.Exists(File))
            return new LaunchCounters([], []);
        using JsonDocument document = JsonDocument.Parse(System.IO.File.ReadAllBytes(File));
        return new LaunchCounters([.. document.RootElement.EnumerateArray().Select(entry => entry.Clone())], before?.entries ?? []);
    }

    /// <summary>What was counted of the driver's calls: waits, copies, device memory.</summary>
    public LaunchCounters OfTheDriver() => new(OfKind(entries, "host"), OfKind(earlier, "host"));

    /// <summary>What was counted of one kernel, by the name of its method.</summary>
    public LaunchCounters Of(string kernel)
    {
        JsonElement[] Named(IReadOnlyList<JsonElement> all) =>
            [.. OfKind(all, "kernel").Where(entry => entry.GetProperty("kernel").GetString() == $"Kernel_{kernel}")];
        var found = new LaunchCounters(Named(entries), Named(earlier));
        Assert.That(found.Sum("launches"), Is.Positive, $"launches of {kernel}");
        return found;
    }

    /// <summary>The sum of a figure over all launches, as <c>Sum("global_load", "sectors")</c>.</summary>
    public double Sum(params string[] path)
    {
        double SumOf(IReadOnlyList<JsonElement> all) =>
            all.Sum(entry => path.Aggregate(entry, (element, name) => element.GetProperty(name)).GetDouble());
        return SumOf(entries) - SumOf(earlier);
    }

    /// <summary>Bytes that the lanes asked for over the bytes of the 32-byte sectors that had to move.</summary>
    public double Efficiency(string access) => Sum(access, "bytes") / (32 * Sum(access, "sectors"));

    /// <summary>Fused multiply-adds as a part of what a P100 issues: PTX instructions without those that the assembler merges or removes.</summary>
    public double MultiplyAddShare => Sum("f32_flops") / 2 / 32 / (Sum("warp_instructions") - Sum("contracted") - Sum("by_class", "move"));

    /// <summary>Passes over the banks of shared memory for each pass that a conflict-free access takes.</summary>
    public double Ways(string access) => Sum(access, "phases") / Sum(access, "phases_ideal");

    private static JsonElement[] OfKind(IReadOnlyList<JsonElement> all, string kind) =>
        [.. all.Where(entry => entry.GetProperty("kind").GetString() == kind)];
}
