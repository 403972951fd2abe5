using System.Globalization;
using Ds2.Runtime;

namespace Ds2.Bench.Gpu;

/// <summary>A row of the table that <c>gpu-report --step</c> prints and docs/gpu.md keeps: what a step's estimate is where no assembler is there to make one.</summary>
/// <param name="Launches">In a step.</param>
/// <param name="Milliseconds">Estimated, of all of them.</param>
internal sealed record EstimatedKernel(int Launches, double Milliseconds)
{
    private const string Kernel = "kernel", LaunchesHead = "launches", EstimateHead = "estimated ms";

    /// <summary>The table's rows by kernel; <c>all</c> is their sum.</summary>
    /// <exception cref="InputException">There is no such file, or no such table in it.</exception>
    public static IReadOnlyDictionary<string, EstimatedKernel> Read(string path)
    {
        if (!File.Exists(path))
            throw InputException.NoFile(path, "--estimate");
        var rows = new Dictionary<string, EstimatedKernel>();
        int launches = -1, estimate = -1;
        foreach (string line in File.ReadLines(path))
        {
            string[] cells = [.. line.Trim().Trim('|').Split('|').Select(cell => cell.Trim())];
            if (!line.TrimStart().StartsWith('|'))
                (launches, estimate) = (-1, -1); // The table has ended.
            else if (cells[0] == Kernel)
                (launches, estimate) = (cells.IndexOf(LaunchesHead), cells.IndexOf(EstimateHead));
            else if (launches > 0 && estimate > 0 && cells.Length > Math.Max(launches, estimate)
                && int.TryParse(cells[launches], CultureInfo.InvariantCulture, out int count)
                && double.TryParse(cells[estimate], CultureInfo.InvariantCulture, out double milliseconds))
                rows[cells[0]] = new EstimatedKernel(count, milliseconds);
        }

        return rows.Count > 0
            ? rows
            : throw new InputException($"--estimate {path}: has no table with the columns '{Kernel}', '{LaunchesHead}' and '{EstimateHead}', as gpu-report --step prints it");
    }
}
