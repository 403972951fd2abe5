using System.Text;

namespace Ds2.Bench.Gpu;

/// <summary>The report for people.</summary>
internal static class KernelTable
{
    /// <summary>A Markdown table with a row a kernel.</summary>
    public static string ToText(Chip chip, IReadOnlyList<CompiledKernel> kernels)
    {
        var text = new StringBuilder();
        text.AppendLine($"{kernels.Count} kernels for {chip.Target} ({chip.Name}); main loop: the innermost with most multiply-adds; conflicts: of register banks, a multiply-add");
        if (CudaTools.WhyNoDisassembly(chip) is string missing)
            text.AppendLine($"{missing}: figures of the PTX only where a - stands");
        string[] heads = ["kernel", "registers", "shared", "stack", "spills", "threads", "occupancy", "loop", "FFMA", "LDS", "LDG", "STS", "integer", "other", "FFMA share", "a cycle", "conflicts", "loads, bits"];
        if (CudaTools.WhyNoAssembly(chip) is not null)
            heads = [.. heads, "PTX"];
        var rows = new List<string[]> { heads };
        foreach (CompiledKernel kernel in kernels)
        {
            InstructionMix? loop = kernel.MainLoop;
            string[] row =
            [
                kernel.Name, Text(kernel.Resources?.Registers), Text(kernel.SharedBytes), Text(kernel.Resources?.StackBytes), Text(kernel.Resources?.SpillBytes),
                Text(kernel.Threads), kernel.Occupancy is double occupancy ? $"{100 * occupancy:F0} %" : "-", Text(loop?.Instructions), Text(loop?.Ffma), Text(loop?.Lds),
                Text(loop?.Ldg), Text(loop?.Sts), Text(loop?.Integer), Text(loop?.Other), loop is null ? "-" : $"{loop.FfmaShare:F3}",
                loop is null ? "-" : $"{loop.IssueShare:F3}",
                loop is null ? "-" : $"{loop.ConflictShare:F2}",
                loop is { Ldg: > 0 } ? string.Join(" ", loop.GlobalLoadBits.Select(width => $"{width.Value}x{width.Key}")) : "-",
            ];
            rows.Add(heads.Length > row.Length ? [.. row, Text(kernel.PtxInstructions)] : row);
        }

        return text.Append(MarkdownTable.Of(rows)).ToString();
    }

    private static string Text(int? value) => value is int number ? $"{number}" : "-";
}
