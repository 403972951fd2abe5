using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Runtime.Evaluation;
using Ds2.Train.Reporting.Metrics;
using Ds2.Train.Reporting.RunFolder;

namespace Ds2.Train.Reporting.Report;

/// <summary>The report as HTML that is well-formed XML too. <c>report.js</c> draws the plots from the numbers that the page carries.</summary>
internal sealed class ReportPage(
    RunSetup run, RunEnvironment environment, string status, IReadOnlyList<EpochMetrics> epochs, IReadOnlyList<CurvePoint> batches,
    IReadOnlyList<SampleUtterance> samples, EvaluationResult? evaluation)
{
    /// <summary>The most rows of the table of epochs; of more, every second, third, … is shown, beside the best and the last.</summary>
    private const int MaxRows = 100;

    private readonly EpochMetrics? best = epochs.MinBy(epoch => run.BeamDecides ? epoch.BeamWer ?? epoch.Wer : epoch.Wer);
    private readonly bool hasBeam = epochs.Any(epoch => epoch.BeamWer is not null);

    public string ToHtml() =>
        $"""
        <!DOCTYPE html>
        <html xmlns="http://www.w3.org/1999/xhtml" lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="color-scheme" content="light dark"/>
        <link rel="icon" href="data:,"/>
        <title>{Text(Name)}: Ds2 training run</title>
        <style>
        {Resource("report.css")}</style>
        </head>
        <body>
        <header>
        <h1>{Text(Name)}</h1>
        <p>{Text(status)}<br/><small>{DateTime.Now:yyyy-MM-dd HH:mm:ss}, {Text(environment.Device)}</small></p>
        {Tiles()}
        {Notes()}
        </header>
        <main>
        <section id="charts"><noscript><p>The plots need JavaScript; metrics.jsonl has their numbers.</p></noscript></section>
        {Samples()}
        {EpochTable()}
        {(evaluation is null ? "" : ErrorSection.Html(evaluation))}
        <div class="facts">
        {Details("Configuration", JsonNode.Parse(run.Options.ToJson())!.AsObject().Select(option => (option.Key, option.Value?.ToString() ?? "")))}
        {Details("Environment", EnvironmentRows())}
        </div>
        </main>
        <script type="application/json" id="data">{Data()}</script>
        <script>//<![CDATA[
        {Resource("report.js")}//]]></script>
        </body>
        </html>

        """;

    private string Name => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(run.Folder)));

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Resource(string name)
    {
        using Stream stream = typeof(ReportPage).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private string Tiles()
    {
        if (best is null)
            return "";
        EpochMetrics last = epochs[^1];
        return string.Concat(
            "<dl>",
            Tile("best WER", $"{Number(best.Wer, "F2")} %", $"after epoch {best.Epoch}{(run.Options.Training.HasTarget ? $"; target {Number(run.Options.Training.TargetWer, "0.##")} %{(run.BeamDecides ? " by beam search" : "")}" : "")}"),
            best.BeamWer is { } beam ? Tile("by beam search", $"{Number(beam, "F2")} %", $"the same epoch{(run.Words is null ? "" : $", {TranscriptModel.FileName}")}; CER {Number(best.BeamCer ?? double.NaN, "F2")} %") : "",
            Tile("last WER", $"{Number(last.Wer, "F2")} %", $"epoch {last.Epoch}; CER {Number(last.Cer, "F2")} %"),
            Tile("training loss", Number(last.Loss, "G4"), $"nats an utterance, epoch {last.Epoch}{PerLabel(last.LossPerLabel)}"),
            last.ValidationLoss is { } loss ? Tile("validation loss", Number(loss, "G4"), $"nats an utterance, epoch {last.Epoch}{PerLabel(last.ValidationLossPerLabel)}") : "",
            Tile("throughput", $"{Number(last.AudioSecondsPerSecond, "F1")} s/s", "seconds of audio a second of training"),
            Tile("time", Durations.Text(epochs.Sum(epoch => epoch.Seconds)), "training and evaluation"),
            "</dl>");

        static string PerLabel(double? loss) => loss is { } nats ? $"; {Number(nats, "G4")} a label" : "";

        static string Tile(string name, string value, string note) => $"<div><dt>{name}</dt><dd>{Text(value)}<small>{Text(note)}</small></dd></div>";
    }

    private string Notes() => run.Notes.Count == 0 ? ""
        : $"<section class=\"notes\"><h2>Noticed</h2>\n<ul>\n{string.Concat(run.Notes.Select(note => $"<li>{Text(note)}</li>\n"))}</ul></section>";

    private string Samples()
    {
        var html = new StringBuilder("<section><h2>Validation utterances</h2>\n");
        string decoder = run.BeamDecides ? " by beam search" : "";
        html.Append(CultureInfo.InvariantCulture, $"<p class=\"note\">What the model hears (10 ms a column, low frequencies at the bottom), what was said, and what it wrote{decoder}. Errors are marked.</p>\n");
        html.Append("<div class=\"samples\">\n");
        var heard = (evaluation?.Transcripts ?? []).DistinctBy(transcript => transcript.Id).ToDictionary(transcript => transcript.Id);
        foreach (SampleUtterance sample in samples)
        {
            html.Append(CultureInfo.InvariantCulture, $"<figure><img alt=\"spectrogram of {Text(sample.Id)}\" src=\"data:image/png;base64,{Convert.ToBase64String(sample.Picture)}\"/>\n");
            html.Append(CultureInfo.InvariantCulture, $"<figcaption>{Text(sample.Id)}, {sample.Seconds:F1} s");
            if (evaluation is not null && heard.TryGetValue(sample.Id, out Transcript transcript))
            {
                html.Append(CultureInfo.InvariantCulture, $", WER {TranscriptFile.Wer(transcript, evaluation.Alphabet):F0} %</figcaption>\n");
                html.Append(HeardText.Html(transcript, evaluation.Alphabet));
            }
            else
            {
                html.Append("</figcaption>\n");
            }

            html.Append("</figure>\n");
        }

        return html.Append("</div></section>").ToString();
    }

    private string EpochTable()
    {
        if (epochs.Count == 0)
            return "";
        int stride = (epochs.Count + MaxRows - 1) / MaxRows;
        var html = new StringBuilder("<section><h2>Epochs</h2>\n<div class=\"scroll\"><table>\n<thead><tr>");
        foreach (string title in (ReadOnlySpan<string>)["epoch", "loss", "a label", "validation loss", "a label", "WER %", "utterance WER %", "CER %", .. hasBeam ? ["beam WER %", "beam CER %"] : Array.Empty<string>(), "learning rate", "audio s/s", "time", "infeasible", "skipped steps"])
            html.Append("<th>").Append(title).Append("</th>");
        html.Append("</tr></thead>\n<tbody>\n");
        foreach (EpochMetrics epoch in epochs.Where((epoch, i) => (i + 1) % stride == 0 || epoch == best || epoch == epochs[^1]))
        {
            html.Append(epoch == best ? "<tr class=\"best\">" : "<tr>");
            foreach (string cell in (ReadOnlySpan<string>)
            [
                Number(epoch.Epoch, "F0"), Number(epoch.Loss, "F3"), Known(epoch.LossPerLabel, "F3"), Known(epoch.ValidationLoss, "F3"), Known(epoch.ValidationLossPerLabel, "F3"), Number(epoch.Wer, "F2"), Number(epoch.WerUtterance, "F2"), Number(epoch.Cer, "F2"),
                .. hasBeam ? [Known(epoch.BeamWer, "F2"), Known(epoch.BeamCer, "F2")] : Array.Empty<string>(),
                Number(epoch.LearningRate, "G3"), Number(epoch.AudioSecondsPerSecond, "F1"), Durations.Text(epoch.Seconds), Number(epoch.Infeasible, "F0"),
                Number(epoch.SkippedSteps, "F0"),
            ])
            {
                html.Append("<td>").Append(cell).Append("</td>");
            }

            html.Append("</tr>\n");
        }

        return html.Append("</tbody></table></div></section>").ToString();

        static string Known(double? value, string format) => value is { } number ? Number(number, format) : "";
    }

    private IEnumerable<(string Name, string Value)> EnvironmentRows() =>
    [
        ("started", environment.Started),
        ("resumed from", environment.ResumedFrom ?? "none"),
        ("command line", string.Join(' ', environment.CommandLine)),
        ("device", environment.Device),
        ("CPU", $"{environment.Cpu}, {environment.Cores} cores"),
        ("memory", $"{Number(environment.MemoryBytes / 1073741824.0, "F1")} GiB"),
        ("system", environment.OperatingSystem),
        ("runtime", environment.Runtime),
        ("Ds2 commit", environment.Commit),
        ("packages", string.Join(", ", environment.Packages.Select(package => $"{package.Key} {package.Value}"))),
        ("parameters", run.Model.Parameters.Count.ToString("N0", CultureInfo.InvariantCulture)),
        ("training set", $"{run.Training.Utterances.Count} utterances, {Number(run.Training.TotalSeconds / 3600, "F2")} h: {run.Training.ManifestPath}"),
        ("validation set", $"{run.Validation.Utterances.Count} utterances, {Number(run.Validation.TotalSeconds / 3600, "F2")} h: {run.Validation.ManifestPath}"),
    ];

    private static string Details(string title, IEnumerable<(string Name, string Value)> rows) =>
        $"<section><h2>{title}</h2>\n<table><tbody>\n"
        + string.Concat(rows.Select(row => $"<tr><th>{Text(row.Name)}</th><td>{Text(row.Value)}</td></tr>\n"))
        + "</tbody></table></section>";

    /// <summary>The plots' numbers, to five digits; the serialiser escapes what would end the script.</summary>
    private string Data()
    {
        return JsonSerializer.Serialize(new
        {
            target = run.Options.Training.TargetWer,
            batches = new
            {
                x = Rounded(batches, point => point.Epoch),
                loss = Rounded(batches, point => point.Loss),
                lossPerLabel = Rounded(batches, point => point.LossPerLabel),
                norm = Rounded(batches, point => point.GradientNorm),
                rate = Rounded(batches, point => point.LearningRate),
                speed = Rounded(batches, point => point.AudioSecondsPerSecond),
            },
            epochs = new
            {
                x = epochs.Select(epoch => epoch.Epoch),
                loss = Rounded(epochs, epoch => epoch.Loss),
                lossPerLabel = Rounded(epochs, epoch => epoch.LossPerLabel ?? double.NaN),
                validationLoss = Rounded(epochs, epoch => epoch.ValidationLoss ?? double.NaN),
                validationLossPerLabel = Rounded(epochs, epoch => epoch.ValidationLossPerLabel ?? double.NaN),
                wer = Rounded(epochs, epoch => epoch.Wer),
                beamWer = Rounded(epochs, epoch => epoch.BeamWer ?? double.NaN),
                werUtterance = Rounded(epochs, epoch => epoch.WerUtterance),
                cer = Rounded(epochs, epoch => epoch.Cer),
                load = Rounded(epochs, epoch => epoch.LoadSeconds),
                compute = Rounded(epochs, epoch => epoch.ComputeSeconds),
                evaluation = Rounded(epochs, epoch => epoch.EvaluationSeconds),
            },
        });

        static IEnumerable<double?> Rounded<T>(IEnumerable<T> items, Func<T, double> value) => items.Select(item =>
            double.IsFinite(value(item)) ? double.Parse(value(item).ToString("G5", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : (double?)null);
    }
}
