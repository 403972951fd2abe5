using System.Globalization;
using System.Security;
using System.Text;
using Ds2.Runtime.Data;

namespace Ds2.Train.Reporting;

/// <summary>Draws how long a data set's utterances are: an SVG file that needs nothing else, for light and dark surroundings.</summary>
internal static class LengthPlot
{
    private const int Width = 720, Height = 220, Left = 60, Right = 20, Top = 40, Bottom = 40;

    public static string Svg(IReadOnlyList<CorpusStatistics> corpora, int bins)
    {
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height * corpora.Count}" font-family="sans-serif" font-size="12">
            <style>text,line{"{"}fill:#222;stroke:none{"}"}line{"{"}stroke:#888{"}"}rect{"{"}fill:#2a78b5{"}"}
            @media (prefers-color-scheme:dark){"{"}text{"{"}fill:#ddd{"}"}rect{"{"}fill:#6cb2eb{"}"}{"}"}</style>

            """);
        for (int i = 0; i < corpora.Count; i++)
            Panel(svg, corpora[i], bins, i * Height);
        return svg.Append("</svg>\n").ToString();
    }

    private static void Panel(StringBuilder svg, CorpusStatistics corpus, int bins, int y)
    {
        (double width, int[] counts) = corpus.Histogram(bins);
        double step = (double)(Width - Left - Right) / counts.Length, scale = (double)(Height - Top - Bottom) / counts.Max();
        int floor = y + Height - Bottom;
        string title = SecurityElement.Escape(Path.GetFileName(corpus.Manifest));
        Add($"<text x=\"{Left}\" y=\"{y + 24}\" font-weight=\"bold\">{title}: {corpus.Seconds.Count} utterances, {corpus.Hours:F2} h</text>");
        for (int i = 0; i < counts.Length; i++)
        {
            double x = Left + i * step;
            Add($"<rect x=\"{x + 1:F1}\" y=\"{floor - counts[i] * scale:F1}\" width=\"{step - 2:F1}\" height=\"{counts[i] * scale:F1}\"><title>{i * width:0.##} to {(i + 1) * width:0.##} s: {counts[i]}</title></rect>");
            if (i % 2 == 0)
                Add($"<text x=\"{x:F1}\" y=\"{floor + 16}\" text-anchor=\"middle\">{i * width:0.##}</text>");
        }
        Add($"<line x1=\"{Left}\" y1=\"{floor}\" x2=\"{Width - Right}\" y2=\"{floor}\"/>");
        Add($"<text x=\"{Left - 6}\" y=\"{y + Top + 4}\" text-anchor=\"end\">{counts.Max()}</text><text x=\"{Left - 6}\" y=\"{floor + 4}\" text-anchor=\"end\">0</text>");
        Add($"<text x=\"{(Width + Left - Right) / 2}\" y=\"{floor + 32}\" text-anchor=\"middle\">seconds</text>");

        void Add(FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}
