using System.Text;

namespace Ds2.Bench;

/// <summary>Tables that people read in a terminal and that Markdown renders.</summary>
internal static class MarkdownTable
{
    /// <summary>A table; the first row heads it, the first column is aligned to the left, all others to the right.</summary>
    public static string Of(IReadOnlyList<string[]> rows)
    {
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length))];
        var text = new StringBuilder();
        foreach (string[] row in rows)
        {
            text.AppendLine($"| {string.Join(" | ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[0]) : cell.PadLeft(widths[column])))} |");
            if (row == rows[0])
                text.AppendLine($"|{string.Join("|", widths.Select((width, column) => column == 0 ? new string('-', width + 2) : new string('-', width + 1) + ":"))}|");
        }

        return text.ToString().TrimEnd();
    }
}
