using System.CommandLine;
using System.CommandLine.Help;
using System.Diagnostics;
using System.Text.Json;
using Ds2.Tests.Reporting;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary>The program as its users run it: arguments in, exit code, stdout and stderr out.</summary>
[NonParallelizable]
public sealed class CommandLineTests
{
    private const int Done = 0;
    private const int Failed = 1;
    private const int BadInput = 2;

    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    [Test]
    public void Train_Json_IsOneObjectALine()
    {
        (int code, string output, _) = Run(Train("run", "--epochs", "2", "--json"));
        JsonElement[] events = Parse(output);
        string[] kinds = [.. events.Select(e => e.GetProperty("event").GetString()!)];
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(Done));
            Assert.That(kinds, Is.EqualTo(new[] { "start", "batch", "batch", "batch", "batch", "epoch", "batch", "batch", "batch", "batch", "epoch", "result" }));
            Assert.That(events[1].GetProperty("loss").GetDouble(), Is.GreaterThan(0));
            Assert.That(events[1].GetProperty("gradientNorm").GetDouble(), Is.GreaterThan(0));
            Assert.That(events[1].GetProperty("secondsLeft").GetDouble(), Is.GreaterThan(0));
            Assert.That(File.ReadAllText(corpus.PathOf("run/metrics.jsonl")), Does.Not.Contain("secondsLeft"), "a guess is no record");
            Assert.That(events[5].GetProperty("wer").GetDouble(), Is.GreaterThan(0));
            Assert.That(events[5].TryGetProperty("werUtterance", out _) && events[5].TryGetProperty("cer", out _), Is.True);
            Assert.That(events[^1].GetProperty("targetReached").GetBoolean(), Is.False);
            Assert.That(events[^1].GetProperty("epochs").GetInt32(), Is.EqualTo(2));
            Assert.That(File.Exists(events[^1].GetProperty("checkpoint").GetString()), Is.True);
        });
    }

    [Test]
    public void Train_ForPeople_ShowsOptionsLayersAndTranscripts()
    {
        (int code, string output, _) = Run(Train("run", "--epochs", "1"));
        Assert.That(code, Is.EqualTo(Done));
        Assert.That(output, Does.Contain("\"hidden\": 6").And.Contain("Conv2d 1 -> 2").And.Contain("WER").And.Contain("said").And.Contain("heard"));
        Assert.That(output, Does.Match(@"left in epoch, \d+:\d\d in run"));
        Assert.That(output, Does.Match(@"epoch 1  loss [\d.]+ \([\d.]+ a label\)  validation loss [\d.]+ \([\d.]+ a label\)  WER"));
    }

    /// <summary>Nothing moves without a learning rate, so that no epoch after the first is better.</summary>
    [Test]
    public void Train_Patience_SaysWhyItEnded()
    {
        (int code, string output, _) = Run(Train("run", "--preset", "mini", "--epochs", "9", "--set", "lr=0", "--set", "patience=2"));
        Assert.That(code, Is.EqualTo(Done));
        Assert.That(output, Does.Contain("no better WER in 2 epochs in a row (patience=2;").And.Not.Contain("epoch 4 "));
        Assert.That(File.ReadAllText(corpus.PathOf("run/report.html")), Does.Contain("the last 2 epochs had no better word error rate"));
        (_, output, _) = Run("train", "--train-manifest", corpus.Manifest, "--val-manifest", corpus.Manifest, "--out", corpus.PathOf("run"), "--device", "host", "--resume", "auto", "--json");
        Assert.That(Parse(output)[^1].GetProperty("end").GetString(), Is.EqualTo("patience"));
    }

    [Test]
    public void Train_MaxBatches_EndsTheEpochEarly()
    {
        (_, string output, _) = Run(Train("run", "--epochs", "1", "--max-batches", "2", "--json"));
        Assert.That(Parse(output).Count(e => e.GetProperty("event").GetString() == "batch"), Is.EqualTo(2));
    }

    [Test]
    public void Train_SameFolderTwice_AsksForResume()
    {
        Run(Train("run", "--epochs", "1", "--json"));
        byte[] before = File.ReadAllBytes(corpus.PathOf("run/latest.safetensors"));
        (int code, _, string error) = Run(Train("run", "--epochs", "1", "--json"));
        Assert.That(code, Is.EqualTo(BadInput));
        Assert.That(error, Does.Contain("--resume auto"));
        Assert.That(File.ReadAllBytes(corpus.PathOf("run/latest.safetensors")), Is.EqualTo(before));
    }

    [Test]
    public void Train_ResumeAuto_GoesOnWithTheRunsOwnOptions()
    {
        Run(Train("run", "--epochs", "1", "--json"));
        (int code, string output, _) = Run(
            "train", "--train-manifest", corpus.Manifest, "--val-manifest", corpus.Manifest, "--out", corpus.PathOf("run"), "--device", "host",
            "--resume", "auto", "--epochs", "2", "--json");
        JsonElement[] events = Parse(output);
        Assert.That(code, Is.EqualTo(Done));
        Assert.That(events[0].GetProperty("options").GetProperty("hidden").GetInt32(), Is.EqualTo(6));
        Assert.That(events[1].GetProperty("epoch").GetInt32(), Is.EqualTo(2));
    }

    /// <summary>The learning rate throws the parameters beyond fp32's range in the first step: one line that names the batch, and no checkpoint of it.</summary>
    [TestCase("stop", "epoch 1, batch 2: the loss is NaN (utterances 2, 3)")]
    [TestCase("skip", "not written")]
    public void Train_Diverged_SaysSoAndSavesNothing(string policy, string expected)
    {
        (int code, string output, string error) = Run(Train("run", "--epochs", "2", "--set", "lr=1e38", "--set", $"onNonFinite={policy}", "--json"));
        Assert.That(code, Is.EqualTo(Failed));
        Assert.That(error, Does.StartWith("ds2: ").And.Contain(expected));
        Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
        JsonElement[] batches = [.. Parse(output).Where(e => e.GetProperty("event").GetString() == "batch")];
        Assert.That(batches.Select(e => e.GetProperty("leftOut").ValueKind), Is.EqualTo(
            policy == "stop" ? [JsonValueKind.Null] : new[] { JsonValueKind.Null, JsonValueKind.Array, JsonValueKind.Array, JsonValueKind.Array }));
        Assert.That(Directory.GetFiles(corpus.PathOf("run"), "*.safetensors"), Is.Empty);
    }

    /// <summary>Norms a tenth of a deviation above their mean pass for spikes, so that there are some; nothing here is not finite.</summary>
    [Test]
    public void Train_ForPeople_SpikesLeftOut_AreCalledSo()
    {
        (int code, string output, _) = Run(Train("run", "--epochs", "20", "--set", "batch=1", "--set", "skipNormZ=0.1", "--lm", "none"));
        Assert.That(code, Is.EqualTo(Done));
        Assert.That(output, Does.Match("[1-9] batches were left out: their loss or gradient was not finite, or a spike\n"));
    }

    [TestCase("--epochs", "1")]
    [TestCase("--target-wer", "1000")]
    public void Train_ResumeElsewhereWithNothingLeft_HasItsCheckpointsThere(string option, string value)
    {
        Run(Train("run", "--epochs", "1", "--json"));
        (int code, string output, _) = Run(
            "train", "--train-manifest", corpus.Manifest, "--val-manifest", corpus.Manifest, "--out", corpus.PathOf("other"), "--device", "host",
            "--resume", corpus.PathOf("run/latest.safetensors"), "--json", option, value);
        Assert.That(code, Is.EqualTo(Done));
        Assert.That(Parse(output)[^1].GetProperty("checkpoint").GetString(), Is.EqualTo(corpus.PathOf("other/latest.safetensors")));
        foreach (string name in new[] { "latest", "best" })
            Assert.That(TensorsOf(corpus.PathOf($"other/{name}.safetensors")), Is.EqualTo(TensorsOf(corpus.PathOf("run/latest.safetensors"))), name);
    }

    [Test]
    public void Train_ResumeIntoAnotherRunsFolder_LeavesItWhole()
    {
        Run(Train("run", "--epochs", "1", "--json"));
        Run(Train("other", "--epochs", "1", "--seed", "2", "--json"));
        byte[] before = File.ReadAllBytes(corpus.PathOf("other/latest.safetensors"));
        (int code, _, string error) = Run(Train("other", "--resume", corpus.PathOf("run/latest.safetensors"), "--epochs", "2", "--json"));
        Assert.That(code, Is.EqualTo(BadInput));
        Assert.That(error, Does.Contain("another run"));
        Assert.That(File.ReadAllBytes(corpus.PathOf("other/latest.safetensors")), Is.EqualTo(before));
    }

    [Test]
    public void Train_ResumeAsAnotherModel_LeavesTheRunsOptions()
    {
        Run(Train("run", "--epochs", "1", "--json"));
        string before = File.ReadAllText(corpus.PathOf("run/options.json"));
        (int code, _, string error) = Run(Train("run", "--resume", "auto", "--set", "hidden=7", "--json"));
        Assert.That(code, Is.EqualTo(BadInput));
        Assert.That(error, Does.Contain("was made with hidden=6, not 7"));
        Assert.That(File.ReadAllText(corpus.PathOf("run/options.json")), Is.EqualTo(before));
    }

    /// <summary>Found when the corpus is loaded, not after the first epoch, and by evaluation too.</summary>
    [Test]
    public void CoefficientsInASpectrogramRun_AreRefusedAtOnce()
    {
        (int code, _, string error) = Run(Train("run", "--epochs", "1", "--set", "features=spectrogram"));
        Assert.That(code, Is.EqualTo(BadInput));
        Assert.That(error, Does.Contain("0.npy: holds cepstral coefficients, as 7 of 7 files").And.Not.Contain("\n   at "));
        Assert.That(File.Exists(corpus.PathOf("run/metrics.jsonl")), Is.False);
    }

    /// <summary>Nothing can be heard in them, which is scored; the report has nothing to show of them.</summary>
    [Test]
    public void ValidationTooShortForAFrame_IsScoredAsSilence()
    {
        Runtime.Audio.WavWriter.Write(corpus.PathOf("short.wav"), new float[200]);
        File.WriteAllText(corpus.PathOf("short.txt"), "A B\n");
        File.WriteAllText(corpus.PathOf("short.csv"), "short.wav,short.txt\n");
        string[] arguments = Train("run", "--epochs", "1");
        arguments[Array.IndexOf(arguments, "--val-manifest") + 1] = corpus.PathOf("short.csv");
        (int code, _, string error) = Run(arguments);
        Assert.That(code, Is.Zero, error);
        Assert.That(File.ReadAllLines(corpus.PathOf("run/transcripts.tsv"))[1], Is.EqualTo("short\t100.00\tA B\t"));
        Assert.That(error, Does.Not.Contain("report"));
    }

    [Test]
    public void BadFiles_AreAllNamed_OrSkipped()
    {
        File.Delete(corpus.PathOf("1.txt"));
        File.WriteAllText(corpus.PathOf("3.npy"), "no array");
        (int code, _, string error) = Run(Train("run", "--epochs", "1", "--max-batches", "1"));
        Assert.That(code, Is.EqualTo(BadInput));
        Assert.That(error, Does.Contain("1.txt").And.Contain("3.npy").And.Contain("2 of 7 utterances cannot be used; --skip-bad leaves them out"));
        (code, _, error) = Run(Train("run", "--epochs", "1", "--max-batches", "1", "--skip-bad"));
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("2 utterances are left out"));
        (code, string output, _) = Run("evaluate", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.Manifest, "--skip-bad");
        Assert.That((code, output.Contains("5 utterances", StringComparison.Ordinal)), Is.EqualTo((0, true)));
    }

    [Test]
    public void Evaluate_TranscriptsCannotBeWritten_GivesTheRatesFirst()
    {
        Run(Train("run", "--epochs", "1", "--json"));
        (int code, string output, string error) = Run(
            "evaluate", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.Manifest, "--device", "host",
            "--transcripts", corpus.PathOf("0.txt/heard.tsv"), "--json");
        Assert.That(code, Is.EqualTo(BadInput));
        Assert.That(error, Does.Contain("heard.tsv"));
        Assert.That(Parse(output).Single().GetProperty("utterances").GetInt32(), Is.EqualTo(7));
    }

    [Test]
    public void Evaluate_GivesTheRatesOfTheRun()
    {
        (_, string trained, _) = Run(Train("run", "--epochs", "1", "--json"));
        string transcripts = corpus.PathOf("heard.tsv");
        (int code, string output, _) = Run(
            "evaluate", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.Manifest, "--lm", "none", "--device", "host", "--batch", "2",
            "--transcripts", transcripts, "--json");
        JsonElement result = Parse(output).Single();
        JsonElement epoch = Parse(trained).Single(e => e.GetProperty("event").GetString() == "epoch");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(Done));
            Assert.That(result.GetProperty("wer").GetDouble(), Is.EqualTo(epoch.GetProperty("wer").GetDouble()));
            Assert.That(result.GetProperty("cer").GetDouble(), Is.EqualTo(epoch.GetProperty("cer").GetDouble()));
            Assert.That(result.GetProperty("loss").GetDouble(), Is.EqualTo(epoch.GetProperty("validationLoss").GetDouble()).Within(0.01).Percent);
            Assert.That(result.GetProperty("lossPerLabel").GetDouble(), Is.EqualTo(epoch.GetProperty("validationLossPerLabel").GetDouble()).Within(0.01).Percent);
            Assert.That(result.GetProperty("infeasible").GetInt32(), Is.Zero);
            Assert.That(result.GetProperty("utterances").GetInt32(), Is.EqualTo(7));
            Assert.That(File.ReadAllLines(transcripts), Has.Length.EqualTo(1 + 7));
        });
    }

    [Test]
    public void Features_WritesNumPy()
    {
        string output = corpus.PathOf("features.npy");
        (int code, string text, _) = Run("features", "--in", corpus.PathOf("0.npy"), "--kind", "mfcc", "--out", output);
        Assert.That(code, Is.EqualTo(Done));
        Assert.That(text, Does.Contain("[161, 60]"));
        Assert.That(new FileInfo(output).Length, Is.EqualTo(128 + 4 * 161 * 60));
    }

    [Test]
    public void Devices_ListsTheHost()
    {
        (int code, string output, _) = Run("devices");
        Assert.That(code, Is.EqualTo(Done));
        Assert.That(output, Does.Contain("host").And.Contain("emulated"));
    }

    private static IEnumerable<TestCaseData> BadArguments()
    {
        yield return Case("unknown option", "unknown-thing", "train", "--unknown-thing");
        yield return Case("unknown parameter", "speed", "train", "--set", "speed=1");
        yield return Case("malformed value", "hidden", "train", "--set", "hidden=many");
        yield return Case("unknown precision", "'recurrentPrecision' (now \"fp32\")", "train", "--set", "recurrentPrecision=fp8");
        yield return Case("value out of range", "hidden", "train", "--set", "hidden=0");
        yield return Case("setting without a value", "name=value", "train", "--set", "hidden");
        yield return Case("unknown preset", "big", "train", "--preset", "big");
        yield return Case("missing parameter file", "absent.json", "train", "--params", "absent.json");
        yield return Case("missing manifest", "absent.csv", "train", "--train-manifest", "absent.csv", "--val-manifest", "absent.csv");
        yield return Case("one manifest", "--val-manifest", "train", "--train-manifest", "absent.csv");
        yield return Case("missing checkpoint", "absent.safetensors", "train", "--resume", "absent.safetensors");
        yield return Case("evaluate without a checkpoint", "--checkpoint", "evaluate", "--manifest", "m.csv");
        yield return Case("unknown device", "opencl9", "train", "--device", "opencl9");
        yield return Case("device of no number", "cuda:x", "evaluate", "--checkpoint", "c", "--manifest", "m", "--device", "cuda:x");
        yield return Case("infinite value", "maxNorm", "train", "--set", "maxNorm=1e999");
        yield return Case("target that is no number", "--target-wer", "train", "--target-wer", "NaN");
        yield return Case("model beyond 32-bit indices", "too large", "train", "--set", "hidden=60000", "--device", "host");
        yield return Case("threads that are no number", "--threads", "train", "--threads", "many");
        yield return Case("no epochs", "--epochs", "train", "--epochs", "0");

        static TestCaseData Case(string name, string expected, params string[] arguments) =>
            new TestCaseData(expected, arguments).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(BadArguments))]
    public void BadInput_IsOneLineAndExitCode2(string expected, string[] arguments)
    {
        (int code, string output, string error) = Run(arguments);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(BadInput));
            Assert.That(error, Does.StartWith("ds2: ").And.Contain(expected).And.Not.Contain("   at "));
            Assert.That(error.Trim().Split('\n').Count(line => !line.Contains("--help")), Is.EqualTo(1));
            Assert.That(output, Is.Empty);
        });
    }

    /// <summary>Every option and argument of every command that takes a value, given one from a variable that is unset.</summary>
    private static IEnumerable<TestCaseData> EmptyValues()
    {
        return Of(Ds2.Train.Commands.CommandLine.Create(), []);

        static IEnumerable<TestCaseData> Of(Command command, string[] path)
        {
            foreach (Option option in command.Options.Where(option => option.ValueType != typeof(bool) && option is not (HelpOption or VersionOption)))
                yield return Case(option.Name, [.. path, option.Name]);
            foreach (Argument argument in command.Arguments)
                yield return Case(argument.Name, path);
            foreach (TestCaseData inner in command.Subcommands.SelectMany(sub => Of(sub, [.. path, sub.Name])))
                yield return inner;
        }

        static TestCaseData Case(string name, string[] path) => new TestCaseData(name, path).SetArgDisplayNames(string.Join(' ', path.Append(name).Distinct()));
    }

    [TestCaseSource(nameof(EmptyValues))]
    public void EmptyValue_IsOneLineAndExitCode2(string name, string[] path)
    {
        foreach (string empty in new[] { "", " \t" })
        {
            (int code, string output, string error) = Run([.. path, empty]);
            Assert.That((code, output, error.Split('\n')[0]), Is.EqualTo((BadInput, "", $"ds2: {name}: the value is empty")));
            Assert.That(error.Trim().Split('\n').Count(line => !line.Contains("--help")), Is.EqualTo(1));
        }
    }

    /// <summary>Every option of numbers that need not be whole, given one as German and French write it: 25 to the library's own parser.</summary>
    private static IEnumerable<TestCaseData> FractionalOptions() => OptionsOf(typeof(double), typeof(double?), typeof(double[]), typeof(float), typeof(float?), typeof(float[]));

    /// <summary>Every option of whole numbers; --bits has two values, which its message lists.</summary>
    private static IEnumerable<TestCaseData> WholeOptions() => OptionsOf(typeof(int), typeof(int?), typeof(int[]), typeof(long), typeof(long?)).Where(option => (string?)option.Arguments[0] != "--bits");

    private static IEnumerable<TestCaseData> OptionsOf(params Type[] types)
    {
        return Of(Ds2.Train.Commands.CommandLine.Create(), []);

        IEnumerable<TestCaseData> Of(Command command, string[] path)
        {
            foreach (Option option in command.Options.Where(option => types.Contains(option.ValueType)))
                yield return new TestCaseData(option.Name, path).SetArgDisplayNames(string.Join(' ', path.Append(option.Name)));
            foreach (TestCaseData inner in command.Subcommands.SelectMany(sub => Of(sub, [.. path, sub.Name])))
                yield return inner;
        }
    }

    [TestCaseSource(nameof(FractionalOptions))]
    public void DecimalComma_IsRefused_AndNamesTheOption(string name, string[] path)
    {
        (int code, _, string error) = Run([.. path, name, "2,5"]);
        Assert.That((code, error.Split('\n').Count(line => line.StartsWith($"ds2: {name} must be a number ", StringComparison.Ordinal))), Is.EqualTo((BadInput, 1)), error);
    }

    /// <summary>The library's own parser says that it is no System.Nullable`1[System.Int32].</summary>
    [TestCaseSource(nameof(WholeOptions))]
    public void NoWholeNumber_IsRefused_AndNamesTheOption(string name, string[] path)
    {
        (int code, _, string error) = Run([.. path, name, "1.5"]);
        Assert.That((code, error.Split('\n').Count(line => line.TrimEnd() == $"ds2: {name} must be a whole number, not 1.5")), Is.EqualTo((BadInput, 1)), error);
    }

    [Test]
    public void Train_TruncatedWav_NamesTheFile()
    {
        File.WriteAllBytes(corpus.PathOf("cut.wav"), [.. "RIFF"u8, 36, 1, 0, 0, .. "WAVEfmt "u8, 16, 0, 0, 0, 1, 0, 1, 0, 0x80, 0x3e, 0, 0, 0, 0x7d]);
        File.AppendAllText(corpus.Manifest, "cut.wav,0.txt\n");
        (int code, _, string error) = Run(Train("run", "--epochs", "1", "--json"));
        Assert.That(code, Is.EqualTo(BadInput));
        Assert.That(error, Does.Contain("cut.wav"));
    }

    /// <summary>
    /// SIGKILL at several moments of a run that saves after every batch: the checkpoint loads each time, and the run, resumed to its end, has the
    /// tensors of one that was left alone. <c>data-scripts/kill_loop.sh</c> is the long form.
    /// </summary>
    [Test]
    public void Train_Killed_ResumesBitForBit()
    {
        if (OperatingSystem.IsWindows())
            Assert.Ignore("Windows has no SIGKILL");
        string[] options = ["--epochs", "30", "--json", "--checkpoint-minutes", "0", "--threads", "1"];
        Run(Train("whole", options));
        for (int round = 0; round < 3; round++)
        {
            using Process process = Program.Start(Train("run", [.. options, "--resume", "auto"]));
            int wanted = 6 + 5 * round;
            for (int lines = 0; lines < wanted && process.StandardOutput.ReadLine() is not null;)
                lines++;
            Thread.Sleep(3 * round);
            process.Kill();
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            TinyCorpus.AssertLoads(corpus.PathOf("run/latest.safetensors"));
        }

        Run(Train("run", [.. options, "--resume", "auto"]));
        foreach (string name in new[] { "latest", "best" })
            Assert.That(TensorsOf(corpus.PathOf($"run/{name}.safetensors")), Is.EqualTo(TensorsOf(corpus.PathOf($"whole/{name}.safetensors"))), name);
        Assert.That(MetricsLines.WithoutTimes(corpus.PathOf("run/metrics.jsonl")), Is.EqualTo(MetricsLines.WithoutTimes(corpus.PathOf("whole/metrics.jsonl"))));
    }

    private static Dictionary<string, float[]> TensorsOf(string checkpoint)
    {
        using var file = Ds2.Runtime.Safetensors.SafetensorsFile.Open(checkpoint);
        return file.Header.Tensors.ToDictionary(tensor => tensor.Name, tensor => file.Read<float>(tensor.Name));
    }

    private static JsonElement[] Parse(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    private static (int Code, string Output, string Error) Run(params string[] arguments) => Program.Run(arguments);

    private string[] Train(string folder, params string[] more) => [.. corpus.TrainArguments(folder), "--target-wer", "-1", .. more];
}
