using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;
using Ds2.Train.Reporting.Report;

namespace Ds2.Tests.Reporting;

/// <summary>The report as a file; what it looks like was looked at, which no test can.</summary>
[NonParallelizable]
public sealed partial class ReportTests
{
    private static readonly XNamespace Html = "http://www.w3.org/1999/xhtml";

    private TinyRun run = null!;

    [SetUp]
    public void MakeCorpus() => run = new TinyRun();

    [TearDown]
    public void DeleteCorpus() => run.Dispose();

    [Test]
    public void Report_NeedsNothingElse()
    {
        run.Train("run", "--epochs", "2");
        XDocument page = Read("run");
        string text = File.ReadAllText(run["run/report.html"]);
        Assert.Multiple(() =>
        {
            Assert.That(Addresses().Matches(text).Select(match => match.Value), Is.EqualTo(new[] { Html.NamespaceName }), "no address but the namespace's name");
            Assert.That(
                page.Descendants().Attributes().Where(attribute => attribute.Name.LocalName is "src" or "href").Select(attribute => attribute.Value),
                Is.Not.Empty.And.All.StartsWith("data:"));
            Assert.That(page.Descendants().Select(element => element.Name.Namespace), Is.All.EqualTo(Html));
            Assert.That(text, Does.Not.Contain("@import").And.Not.Contain("url("));
        });
    }

    [Test]
    public void Report_HoldsTheRunsNumbers()
    {
        run.Train("run", "--epochs", "2");
        JsonObject[] metrics = run.Metrics("run");
        double[] losses = [.. metrics.Where(line => line.ContainsKey("batch")).Select(line => (double)line["loss"]!)];
        JsonNode data = JsonNode.Parse(Data(Read("run")))!;
        Assert.Multiple(() =>
        {
            Assert.That(Numbers(data["batches"]!["x"]!), Is.EqualTo(Enumerable.Range(1, 8).Select(i => i / 4.0)));
            Assert.That(Numbers(data["batches"]!["loss"]!), Is.EqualTo(losses).Within(0.005).Percent, "five digits");
            Assert.That(Numbers(data["epochs"]!["wer"]!), Is.EqualTo(metrics.Where(line => line.ContainsKey("wer")).Select(line => (double)line["wer"]!)).Within(1e-3));
            foreach (string name in new[] { "lossPerLabel", "validationLoss", "validationLossPerLabel" })
                Assert.That(Numbers(data["epochs"]![name]!), Is.EqualTo(metrics.Where(line => line.ContainsKey(name) && line.ContainsKey("wer")).Select(line => (double)line[name]!)).Within(0.005).Percent, name);
            Assert.That(Read("run").Descendants(Html + "tbody").First().Elements(), Has.Exactly(2).Items);
            Assert.That(Read("run").Descendants(Html + "figure"), Has.Exactly(4).Items);
        });
    }

    [Test]
    public void Report_SaysWhereTheErrorsAre()
    {
        run.Train("run", "--epochs", "1");
        XElement section = Read("run").Descendants(Html + "section").Single(element => (string?)element.Attribute("id") == "errors");
        string[] titles = [.. section.Descendants(Html + "h3").Select(title => title.Value)];
        Assert.That(titles, Has.Some.EqualTo("By folder").And.Some.StartsWith("Words: ").And.Some.StartsWith("Letters: ").And.Some.EqualTo("The worst utterances"));
        Assert.That(section.Descendants(Html + "div").Count(element => (string?)element.Attribute("class") == "worst"), Is.EqualTo(File.ReadLines(run["run/errors/worst.tsv"]).Count() - 1));
    }

    [Test]
    public void Report_OfAResumedRun_HoldsWhatWasBefore()
    {
        run.Train("run", "--epochs", "1");
        run.Train("run", "--epochs", "2", "--resume", "auto");
        run.Train("whole", "--epochs", "2");
        JsonNode resumed = JsonNode.Parse(Data(Read("run")))!, whole = JsonNode.Parse(Data(Read("whole")))!;
        Assert.That(resumed["batches"]!["loss"]!.ToJsonString(), Is.EqualTo(whole["batches"]!["loss"]!.ToJsonString()));
        Assert.That(resumed["epochs"]!["cer"]!.ToJsonString(), Is.EqualTo(whole["epochs"]!["cer"]!.ToJsonString()));
    }

    /// <summary>As the metrics: a curve that goes back and forth would show batches that no checkpoint counts.</summary>
    [Test]
    public void Report_EpochStartsAgain_HasEachBatchOnce()
    {
        byte[] sound = File.ReadAllBytes(run["5.npy"]);
        File.WriteAllBytes(run["5.npy"], [.. sound[..^4], .. BitConverter.GetBytes(float.NaN)]);
        Assert.That(run.TryTrain("run", "--epochs", "1").Code, Is.EqualTo(2));
        File.WriteAllBytes(run["5.npy"], sound);
        run.Train("run", "--epochs", "1", "--resume", "auto", "--set", "batch=1");
        JsonNode data = JsonNode.Parse(Data(Read("run")))!;
        Assert.That(Numbers(data["batches"]!["x"]!), Is.EqualTo(Enumerable.Range(1, 7).Select(i => i / 7.0)).Within(1e-4));
    }

    /// <summary>Nothing is evaluated any more: what was heard last stands in the run's folder.</summary>
    [Test]
    public void Report_ResumedWithNothingLeft_KeepsErrorsAndHeardTexts()
    {
        run.Train("run", "--epochs", "2");
        string before = Heard("run");
        run.Train("run", "--epochs", "2", "--resume", "auto");
        Assert.That(before, Does.Contain(">heard</b>").And.Contain("The worst utterances"));
        Assert.That(Heard("run"), Is.EqualTo(before));
    }

    /// <summary>Transcripts of other rates than the checkpoint's are of an epoch that the run has gone back behind; with other ids or texts, of another validation set.</summary>
    [TestCase(0)]
    [TestCase(2)]
    [TestCase(3)]
    public void Report_TranscriptsAreNotOfTheCheckpoint_ShowsNone(int column)
    {
        run.Train("run", "--epochs", "1");
        string path = run["run/transcripts.tsv"];
        string[] lines = File.ReadAllLines(path);
        string[] row = lines[1].Split('\t');
        row[column] = "ANOTHER ONE OF MANY WORDS";
        lines[1] = string.Join('\t', row);
        File.WriteAllLines(path, lines);
        run.Train("run", "--epochs", "1", "--resume", "auto");
        Assert.That(Heard("run"), Does.Not.Contain(">heard</b>").And.Not.Contain("The worst utterances"));
    }

    [Test]
    public void Report_EscapesNames()
    {
        const string name = "<b>&\"'";
        foreach (string ending in new[] { "npy", "txt" })
            File.Copy(run[$"0.{ending}"], run[$"{name}.{ending}"]);
        File.WriteAllText(run.Corpus.Manifest, $"{name}.npy,{name}.txt\n");
        run.Train(name, "--epochs", "1");
        XDocument page = Read(name);
        Assert.That(page.Descendants(Html + "h1").Single().Value, Is.EqualTo(name));
        Assert.That(page.Descendants(Html + "figcaption").Single().Value, Does.StartWith(name + ","));
    }

    /// <summary>The script runs in a real browser, draws all plots, and nothing reaches the console.</summary>
    [Test]
    public void Report_InABrowser_DrawsAllPlots()
    {
        const string browser = "/usr/bin/chromium";
        if (!File.Exists(browser))
            Assert.Ignore("needs Chromium: apt install chromium");
        run.Train("run", "--epochs", "2");
        string[] arguments =
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", $"--user-data-dir={run["browser"]}", "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", $"file://{run["run/report.html"]}",
        ];
        using Process process = Process.Start(new ProcessStartInfo(browser, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> log = process.StandardError.ReadToEndAsync();
        string dom = process.StandardOutput.ReadToEnd();
        Assert.That(process.WaitForExit(TimeSpan.FromSeconds(60)), Is.True);
        Assert.Multiple(() =>
        {
            Assert.That(Regex.Count(dom, "<svg height=\"\\d"), Is.EqualTo(7));
            Assert.That(Regex.Count(dom, "<path d=\"M\\d"), Is.EqualTo(12));
            Assert.That(dom, Does.Not.Contain("NaN"));
            Assert.That(log.Result.Split('\n').Where(line => line.Contains("CONSOLE")), Is.Empty);
        });
    }

    [Test]
    public void BatchCurve_OfALongRun_IsBoundedAndKeepsTheMean()
    {
        var curve = new BatchCurve();
        const int count = 100_000;
        for (int i = 0; i < count; i++)
            curve.Add(Batch(i, count, i == 500 ? double.NaN : i));
        CurvePoint[] points = [.. curve.Points];
        Assert.Multiple(() =>
        {
            Assert.That(points, Has.Length.InRange(BatchCurve.MaxPoints / 2, BatchCurve.MaxPoints));
            Assert.That(points[^1].Epoch, Is.EqualTo(1));
            Assert.That(points.Select(point => point.Epoch), Is.Ordered.And.Unique);
            Assert.That(points.Select(point => point.Loss), Is.Ordered.And.All.Matches<double>(double.IsFinite));
            Assert.That(points.Average(point => point.Loss), Is.EqualTo(count / 2.0).Within(1).Percent);
        });
    }

    [Test]
    public void BatchCurve_NoFiniteLoss_IsAGap()
    {
        var curve = new BatchCurve();
        curve.Add(Batch(0, 2, double.NaN));
        curve.Add(Batch(1, 2, 3));
        Assert.That(curve.Points.Select(point => point.Loss), Is.EqualTo(new[] { double.NaN, 3 }));
    }

    [TestCase("ONE TWO THREE", "ONE TWO THREE", "ONE=ONE TWO=TWO THREE=THREE")]
    [TestCase("ONE TWO THREE", "ONE TO THREE", "ONE=ONE TWO=TO THREE=THREE")]
    [TestCase("ONE TWO THREE", "ONE THREE", "ONE=ONE TWO= THREE=THREE")]
    [TestCase("ONE THREE", "ONE TWO THREE", "ONE=ONE =TWO THREE=THREE")]
    [TestCase("ONE", "", "ONE=")]
    [TestCase("", "", "")]
    public void WordDiff_Aligns(string reference, string hypothesis, string expected) =>
        Assert.That(string.Join(' ', WordDiff.Align(reference, hypothesis).Select(word => $"{word.Reference}={word.Hypothesis}")), Is.EqualTo(expected));

    [Test]
    public void HeardText_AlphabetWithoutSpace_MarksLabels() => Assert.That(
        HeardText.Html(new Transcript("a", "AB A", "ABB", "a.wav"), new Alphabet(["_", "A", "B"])),
        Is.EqualTo("<p><b>said</b><span>AB<del>A</del></span></p>\n<p><b>heard</b><span>AB<ins>B</ins></span></p>\n"));

    private static Ds2.Train.Reporting.Metrics.BatchMetrics Batch(int index, int count, double loss) =>
        new(1, index + 1, count, loss, 1, 1e-3, 0, AudioSeconds: 1, Seconds: 0.5, LoadSeconds: 0.1, LeftOut: null);

    private static double[] Numbers(JsonNode array) => [.. array.AsArray().Select(number => (double)number!)];

    private static string Data(XDocument page) => page.Descendants(Html + "script").Single(script => (string?)script.Attribute("id") == "data").Value;

    /// <summary>All that the report has of an evaluation's texts.</summary>
    private string Heard(string folder) =>
        string.Concat(Read(folder).Descendants().Where(element => element.Name == Html + "figure" || (string?)element.Attribute("id") == "errors"));

    private XDocument Read(string folder)
    {
        using var reader = XmlReader.Create(run[$"{folder}/report.html"], new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XDocument.Load(reader);
    }

    [GeneratedRegex("[a-z]+://[^\"'<> ]*")]
    private static partial Regex Addresses();
}
