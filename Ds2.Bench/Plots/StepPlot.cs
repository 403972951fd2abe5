using ScottPlot;

namespace Ds2.Bench.Plots;

/// <summary>Draws a sweep as an SVG on a white ground, so that it can be read on dark pages too.</summary>
internal static class StepPlot
{
    private const int Width = 640;
    private const int Height = 400;

    /// <summary>Writes the plot of a sweep.</summary>
    public static void Draw(StepSweep sweep, string path)
    {
        using var plot = new Plot();
        double[] values = [.. sweep.Points.Select(point => (double)point.Value)];
        double[] seconds = [.. sweep.Points.Select(point => point.Seconds)];
        var line = plot.Add.Scatter(values, seconds);
        line.LineWidth = 2;
        line.MarkerSize = 8;
        foreach (SweepPoint point in sweep.Points)
        {
            var text = plot.Add.Text($"{point.Seconds:G3} s", point.Value, point.Seconds);
            text.LabelAlignment = Alignment.LowerCenter;
            text.OffsetY = -6;
            text.LabelFontSize = 13;
        }

        plot.Title($"Training step: {sweep.Held}", 13);
        plot.XLabel(sweep.Axis is "frames" ? "feature frames (10 ms) of each utterance" : sweep.Axis is "hidden" ? "hidden units" : sweep.Axis, 14);
        plot.YLabel("seconds (median)", 14);
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual(values, [.. values.Select(value => $"{value}")]);
        plot.Axes.SetLimits(0, values[^1] * 1.1, 0, seconds.Max() * 1.15);
        plot.FigureBackground.Color = Colors.White;
        plot.SaveSvg(path, Width, Height);
    }
}
