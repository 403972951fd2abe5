using System.Text.Json;
using Ds2.Bench.Plots;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Training;
using Ds2.Tests.Data;

namespace Ds2.Tests.Bench;

/// <summary>The benchmarks' own arithmetic and files.</summary>
public sealed class StepBenchmarkTests
{
    private static readonly StepOptions Tiny = new(
        new RunOptions { Model = new() { Channels = 2, Hidden = 8, Layers = 1 } }, Batch: 2, Frames: 40, Labels: 2, Steps: 2, Threads: 1);

    [Test]
    public void Json_HasTheDocumentedKeys()
    {
        using var engine = new HostEngine(threads: 1);
        StepResult result = StepMeasurement.Measure(Tiny, engine, warmupSteps: 1);
        JsonElement json = JsonDocument.Parse(result.ToJson()).RootElement;
        Assert.Multiple(() =>
        {
            Assert.That(json.EnumerateObject().Select(property => property.Name), Is.EqualTo(new[]
            {
                "parameters", "medianSeconds", "forwardSeconds", "lossSeconds", "backwardSeconds", "updateSeconds",
                "audioSecondsPerSecond", "peakRssBytes", "allocatedBytesPerStep",
            }));
            Assert.That(result.AudioSecondsPerSecond * result.MedianSeconds, Is.EqualTo(0.8).Within(1e-9), "2 utterances of 0.4 seconds");
            Assert.That(result.ForwardSeconds, Is.Positive.And.LessThan(result.MedianSeconds));
            Assert.That(result.PeakRssBytes, Is.GreaterThan(4 * result.Parameters));
        });
    }

    [Test]
    public void Measure_TooFewFrames_SaysHowManyAreNeeded()
    {
        using var engine = new HostEngine(threads: 1);
        Assert.That(() => StepMeasurement.Measure(Tiny with { Frames = 30 }, engine), Throws.TypeOf<InputException>().With.Message.EqualTo("--frames 30: the model needs at least 31"));
    }

    [Test]
    public void Plot_HasAPointForEachMeasurement()
    {
        using var folder = new TempFolder();
        string data = folder["step-times.json"], svg = folder["step-frames.svg"];
        StepSweep.Write(data, [new StepSweep("frames", "hidden 8", "host", [new SweepPoint(100, 0.125), new SweepPoint(200, 0.25)])]);
        StepPlot.Draw(StepSweep.Read(data).Single(), svg);
        string drawn = File.ReadAllText(svg);
        Assert.That(drawn, Does.Contain("0.125 s").And.Contain("0.25 s").And.Contain("hidden 8"));
    }

    [Test]
    public void ReadSweeps_DamagedFile_IsTheUsersMistake()
    {
        using var folder = new TempFolder();
        string data = folder["step-times.json"];
        File.WriteAllText(data, "[{");
        Assert.That(() => StepSweep.Read(data), Throws.TypeOf<InputException>().With.Message.Contains(data));
    }
}
