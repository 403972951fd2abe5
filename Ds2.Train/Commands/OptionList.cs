using System.Text;
using Ds2.Runtime.Training;

namespace Ds2.Train.Commands;

/// <summary>All that <c>--set</c> can change, as a table: docs/parameters.md holds the same.</summary>
internal static class OptionList
{
    /// <summary>The table, in Markdown, its columns aligned.</summary>
    public static string Table()
    {
        string[][] rows =
        [
            ["name", "meaning", "values", .. RunOptions.Presets.Keys.Select(preset => $"`{preset}`")],
            .. RunOptions.All.Select(option => (string[])
            [
                $"`{option.Name}`", option.Meaning, option.Range, .. RunOptions.Presets.Values.Select(preset => preset.ValueOf(option).Trim('"')),
            ]),
        ];
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length))];
        var text = new StringBuilder();
        for (int i = 0; i < rows.Length; i++)
        {
            text.AppendLine($"| {string.Join(" | ", rows[i].Zip(widths, (cell, width) => cell.PadRight(width)))} |");
            if (i == 0)
                text.AppendLine($"|{string.Join("|", widths.Select(width => new string('-', width + 2)))}|");
        }

        return text.ToString();
    }
}
