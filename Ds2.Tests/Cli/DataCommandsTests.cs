using System.Diagnostics;
using Ds2.Runtime.Audio;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Cli;

/// <summary>What a user does to a data set, and what a run tells of it.</summary>
[NonParallelizable]
public sealed class DataCommandsTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    private string[] Train(string manifest, params string[] more) =>
    [
        "train", "--train-manifest", manifest, "--val-manifest", manifest, "--out", folder["run"], "--json", "--epochs", "1", "--device", "host", "--target-wer", "-1",
        "--set", "features=mfcc-raw", "--set", "channels=2", "--set", "hidden=4", "--set", "layers=1", .. more,
    ];

    [Test]
    public void Merge_PrunesByDuration_AndSaysWhatItLeftOut()
    {
        string manifest = folder.WriteNoise(8000, 16000, 24000, 48000);
        (int code, string output, _) = Program.Run("data", "merge", manifest, manifest, "--out", folder["m.csv"], "--min-seconds", "0.6", "--max-seconds", "2");
        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("2 utterances").And.Contain("1 too short, 1 too long, 4 repeated"));
        Assert.That(File.ReadAllText(folder["m.csv"]), Is.EqualTo("u1.wav,u1.txt\nu2.wav,u2.txt\n"));
        Assert.That(Program.Run("data", "merge", manifest, "--out", folder["m.csv"], "--min-seconds", "3", "--max-seconds", "2").Code, Is.EqualTo(2));
    }

    [Test]
    public void MergeAndStats_LeaveOutBadFiles_WhereAskedTo()
    {
        string manifest = folder.WriteNoise(8000, 16000, 24000);
        folder.Write("u0.wav", "<html>not found</html>");
        File.Delete(folder["u1.txt"]);
        foreach (string[] command in new string[][] { ["data", "merge", manifest, "--out", folder["m.csv"]], ["data", "stats", manifest] })
        {
            (int code, _, string error) = Program.Run(command);
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain("u0.wav: holds an HTML page").And.Contain("u1.txt: no such file").And.Contain("2 of 3 utterances cannot be used; --skip-bad leaves them out"));
            Assert.That(folder["m.csv"], Does.Not.Exist);
        }
        (int merged, string output, string left) = Program.Run("data", "merge", manifest, "--out", folder["m.csv"], "--skip-bad");
        Assert.That((merged, File.ReadAllText(folder["m.csv"])), Is.EqualTo((0, "u2.wav,u2.txt\n")), output);
        Assert.That(left, Does.Contain("2 utterances are left out"));
        Assert.That(Program.Run("data", "stats", manifest, "--skip-bad").Output, Does.Match("utterances +1"));
    }

    /// <summary>One list for a command: the second manifest's faults must not replace the first's, and an earlier command's do not count.</summary>
    [Test]
    public void ManyFaultsOfTwoManifests_AreInOneList()
    {
        folder.WriteNoise(8000, 16000);
        string Manifest(string name, string good, int bad) =>
            folder.Write(name, $"{good}.wav,{good}.txt\n" + string.Concat(Enumerable.Range(0, bad).Select(i => $"none{i}.wav,{good}.txt\n")));
        string a = Manifest("a.csv", "u0", 25), b = Manifest("b.csv", "u1", 2), before = Environment.CurrentDirectory;
        Environment.CurrentDirectory = folder.Path;
        try
        {
            (int code, _, string error) = Program.Run("data", "merge", a, b, "--out", folder["m.csv"], "--skip-bad");
            string[] lines = File.ReadAllLines(folder["ds2-faults.tsv"]);
            Assert.That((code, lines.Length), Is.EqualTo((0, 27)), error);
            Assert.That(error, Does.Contain($"{a}: 25 utterances are left out; ds2-faults.tsv lists all").And.Contain($"{b}: 2 utterances are left out; ds2-faults.tsv lists all"));
            Assert.That((lines[0], lines[^1]), Is.EqualTo(($"{a}\t2\t{folder["none0.wav"]}: no such file (line 2 of {a})", $"{b}\t3\t{folder["none1.wav"]}: no such file (line 3 of {b})")));
            Assert.That(Program.Run("data", "merge", a, "--out", folder["m.csv"]).Code, Is.EqualTo(2));
            Assert.That(File.ReadAllLines(folder["ds2-faults.tsv"]), Has.Length.EqualTo(25));
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }

    [Test]
    public void Stats_DescribesAndDraws()
    {
        string manifest = folder.WriteNoise(8000, 16000, 24000, 48000);
        folder.Write("u0.txt", "CAF\u00c9 9 \U0001F600");
        (int code, string output, _) = Program.Run("data", "stats", manifest, "--plot", folder["lengths.svg"]);
        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Match("utterances +4").And.Match("0.50 shortest, 1.50 median, 1.50 mean, 3.00 longest").And.Match("U\\+00C9 +\u00c9 as E +1 times, first in .*u0.txt \\(line 1\\)")
            .And.Match("U\\+0039 +9 +1 times").And.Match("U\\+1F600 +\U0001F600 +1 times"));
        string svg = System.Xml.Linq.XDocument.Load(folder["lengths.svg"]).ToString();
        Assert.That(svg, Does.Contain("manifest.csv: 4 utterances").And.Contain("seconds"));
    }

    [Test]
    public void Alphabet_OfTextsWithWhatNoLabelCanBe_IsWrittenAndSaysSo()
    {
        string manifest = folder.WriteNoise(8000, 8000, 8000);
        folder.Write("u1.txt", "no\uFFFDn \u0301o");
        (int code, _, string error) = Program.Run("data", "alphabet", "--manifest", manifest, "--out", folder["a.json"], "--case", "upper");
        Assert.That((code, error.TrimEnd()), Is.EqualTo((0, $"ds2: 2 characters are left out, as no label can be made of them: U+0020 U+0301 (1), U+FFFD (1); first in {folder["u1.txt"]}")));
        Assert.That(Ds2.Runtime.Text.AlphabetFile.Read(folder["a.json"]).Labels, Does.Contain("N").And.No.Member("\uFFFD"));
    }

    [Test]
    public void Augment_WritesWhatTrainingMayHear()
    {
        WavWriter.Write(folder["in.wav"], Sounds.Sine(16000, 400, 16000, amplitude: 0.3));
        Directory.CreateDirectory(folder["noise"]);
        WavWriter.Write(folder["noise/street.wav"], Sounds.Noise(16000, 0.3, 5));
        (int code, string output, _) = Program.Run("data", "augment", "--in", folder["in.wav"], "--out", folder["out.wav"], "--tempo", "0.8", "--gain", "-6", "--noise", folder["noise"], "--noise-level", "0.5");
        Assert.That(code, Is.Zero);
        Assert.That(output.Trim(), Is.EqualTo($"{folder["out.wav"]}: 1.25 s, tempo 0.8, gain -6 dB, street.wav at 0.5"));
        float[] heard = AudioFile.Read(folder["out.wav"]);
        Assert.That(heard, Has.Length.EqualTo(20000));

        // A tone of amplitude 0.3 has a mean square of 0.045; the gain makes a quarter of it, the added noise five quarters of that.
        Assert.That(heard.Average(sample => sample * sample), Is.EqualTo(0.045 * 0.2512 * 1.25).Within(5).Percent);
        Assert.That(Program.Run("data", "augment", "--in", folder["in.wav"], "--out", folder["out.wav"], "--tempo", "0").Code, Is.EqualTo(2));
    }

    /// <summary>An output that is the command's own input is refused before anything is read: it would be gone.</summary>
    [TestCase("features", "--in", "F", "--kind", "fbank40", "--out", "F")]
    [TestCase("data", "augment", "--in", "F", "--out", "F", "--gain", "-6")]
    [TestCase("data", "merge", "other.csv", "F", "--out", "F")]
    [TestCase("data", "alphabet", "--manifest", "other.csv", "F", "--out", "F")]
    [TestCase("data", "stats", "other.csv", "F", "--plot", "F")]
    [TestCase("lm", "build", "--text", "other.txt", "F", "--out", "F")]
    [TestCase("lm", "compile", "--arpa", "F", "--out", "F")]
    [TestCase("evaluate", "--checkpoint", "model.safetensors", "--manifest", "F", "--transcripts", "F")]
    [TestCase("evaluate", "--checkpoint", "F", "--manifest", "other.csv", "--transcripts", "F")]
    public void OutputThatIsAnInput_IsRefused(params string[] arguments)
    {
        File.WriteAllText(folder["file.svg"], "what it is");
        // The same file by another way.
        string[] named = [.. arguments.Select((argument, i) => argument != "F" ? argument : i == arguments.Length - 1 ? folder["x/../file.svg"] : folder["file.svg"])];
        (int code, _, string error) = Program.Run(named);
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((2, 1)), error);
        Assert.That(error, Does.Contain(folder["file.svg"]).And.Contain("name another file"));
        Assert.That(File.ReadAllText(folder["file.svg"]), Is.EqualTo("what it is"));
    }

    /// <summary>What a manifest lists is read, too.</summary>
    [TestCase("data", "merge", "M", "--out", "u0.wav")]
    [TestCase("data", "merge", "M", "M", "--out", "u1.txt")]
    [TestCase("data", "alphabet", "--manifest", "M", "--out", "u1.txt")]
    [TestCase("data", "stats", "M", "--plot", "text.svg")]
    [TestCase("evaluate", "--checkpoint", "model.safetensors", "--manifest", "M", "--transcripts", "u1.txt")]
    [TestCase("evaluate", "--checkpoint", "model.safetensors", "--manifest", "M", "--errors", "words.tsv")]
    public void OutputThatAManifestLists_IsRefused(params string[] arguments)
    {
        string manifest = folder.WriteNoise(8000, 8000);
        File.Copy(folder["u0.wav"], folder["u2.wav"]);
        File.Copy(folder["u0.wav"], folder["u3.wav"]);
        File.AppendAllText(manifest, "u2.wav,text.svg\nu3.wav,words.tsv\n");
        foreach (string text in new[] { "text.svg", "words.tsv" })
            folder.Write(text, "A");
        string listed = folder[arguments[^1]];
        byte[] before = File.ReadAllBytes(listed);
        // The errors' files have names of their own.
        string[] named = [.. arguments[..^1].Select(argument => argument == "M" ? manifest : argument), arguments.Contains("--errors") ? folder.Path : folder[$"x/../{arguments[^1]}"]];
        (int code, _, string error) = Program.Run(named);
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((2, 1)), error);
        Assert.That(error, Does.Contain($"is what {listed} is read from"));
        Assert.That(File.ReadAllBytes(listed), Is.EqualTo(before));
    }

    [Test]
    public void Merge_ManifestFromAPipe_IntoAFileThatIsThere_ReadsItOnce()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("makes a pipe by mkfifo");
        string manifest = folder.WriteNoise(8000, 16000), output = folder.Write("out.csv", "old");
        (int code, _, string error) = Pipe.Through(folder["pipe.csv"], File.ReadAllBytes(manifest), pipe => Program.Run("data", "merge", pipe, "--out", output));
        Assert.That(code, Is.Zero, error);
        Assert.That(File.ReadAllText(output), Is.EqualTo(File.ReadAllText(manifest)));
    }

    /// <summary>Which of the folder's files is drawn, the seed decides: none of them may go.</summary>
    [Test]
    public void Augment_IntoAFileOfTheNoiseFolder_IsRefused()
    {
        folder.WriteNoise(8000, 8000, 8000);
        byte[] before = File.ReadAllBytes(folder["u2.wav"]);
        for (int seed = 1; seed <= 5; seed++)
        {
            (int code, _, string error) = Program.Run("data", "augment", "--in", folder["u0.wav"], "--noise", folder.Path, "--out", folder["u2.wav"], "--seed", $"{seed}");
            Assert.That((code, error.Contains("name another file", StringComparison.Ordinal)), Is.EqualTo((2, true)), error);
        }

        Assert.That(File.ReadAllBytes(folder["u2.wav"]), Is.EqualTo(before));
    }

    /// <summary>It was found out after the work: then nothing of that was left.</summary>
    [TestCase("features", "--in", "a.wav", "--kind", "fbank40", "--out", "D")]
    [TestCase("data", "augment", "--in", "a.wav", "--gain", "-6", "--out", "D")]
    [TestCase("data", "merge", "a.csv", "--out", "D")]
    [TestCase("data", "alphabet", "--manifest", "a.csv", "--out", "D")]
    [TestCase("lm", "build", "--text", "a.txt", "--out", "D")]
    [TestCase("lm", "compile", "--arpa", "a.arpa", "--out", "D")]
    [TestCase("evaluate", "--checkpoint", "model.safetensors", "--manifest", "a.csv", "--transcripts", "D")]
    [TestCase("evaluate", "--checkpoint", "model.safetensors", "--manifest", "a.csv", "--errors", "F")]
    public void OutputOfTheOtherKind_IsRefusedBeforeAnythingIsRead(params string[] arguments)
    {
        string output = folder.Write("file.svg", "what it is");
        if (arguments[^1] == "D")
            Directory.CreateDirectory(output = folder["folder"]);
        (int code, _, string error) = Program.Run([.. arguments[..^1], output]);
        Assert.That((code, error.TrimEnd()), Is.EqualTo((2, $"ds2: {arguments[^2]} {output}: is a {(arguments[^1] == "D" ? "folder: name a file" : "file: name a folder")}")));
    }

    /// <summary>What is written follows links: to the file, to its folder, and beside it by a second name of its own.</summary>
    [TestCase("link.csv")]
    [TestCase("folder/file.csv")]
    [TestCase("second.csv")]
    public void OutputThatIsAnInputThroughALink_IsRefused(string output)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("makes hard links by ln");
        string manifest = folder.WriteNoise(8000);
        File.Move(manifest, folder["file.csv"]);
        string before = File.ReadAllText(folder["file.csv"]);
        File.CreateSymbolicLink(folder["link.csv"], "file.csv");
        Directory.CreateSymbolicLink(folder["folder"], ".");
        using (Process link = Process.Start("ln", [folder["file.csv"], folder["second.csv"]]))
            link.WaitForExit();
        (int code, _, string error) = Program.Run("data", "merge", folder["file.csv"], "--out", folder[output]);
        Assert.That((code, error.TrimEnd()), Is.EqualTo((2, $"ds2: --out {folder[output]}: is what {folder["file.csv"]} is read from, and would replace it: name another file")));
        Assert.That((File.ReadAllText(folder["file.csv"]), new FileInfo(folder["link.csv"]).LinkTarget), Is.EqualTo((before, "file.csv")));
    }

    /// <summary>A recording that turns out bad where several are looked at at once: one line, as where they are read one by one.</summary>
    [Test]
    public void Train_RecordingWithoutANumberIn_IsOneLine()
    {
        string validation = folder.WriteNoise(16000, 16000);
        byte[] wav = File.ReadAllBytes(folder["u0.wav"]);
        float[] samples = new float[16000];
        samples[500] = float.NaN;
        byte[] sound = [.. System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(samples)];
        byte[] head = wav[..44];
        head[20] = 3; // IEEE float
        BitConverter.TryWriteBytes(head.AsSpan(4), 36 + sound.Length);
        BitConverter.TryWriteBytes(head.AsSpan(28), 64000);
        head[32] = 4;
        head[34] = 32;
        BitConverter.TryWriteBytes(head.AsSpan(40), sound.Length);
        File.WriteAllBytes(folder["bad.wav"], [.. head, .. sound]);
        File.WriteAllText(folder["bad.csv"], "bad.wav,u0.txt\n");
        (int code, _, string error) = Program.Run("train", "--preset", "mini", "--train-manifest", folder["bad.csv"], "--val-manifest", validation, "--out", folder["run"], "--device", "host");
        Assert.That((code, error.Trim().Split('\n')[^1]), Is.EqualTo((2, $"ds2: {folder["bad.wav"]}: sample 500 is NaN")).Using<(int, string)>((a, b) => a.Item1 == b.Item1 && a.Item2.StartsWith(b.Item2, StringComparison.Ordinal)), error);
        Assert.That(error, Does.Not.Contain("   at "));
    }

    /// <summary>Values that would be others in fp32, or whose arrays no machine has.</summary>
    [TestCase("dropout=0.99999999")]
    [TestCase("beta2=0.99999999")]
    [TestCase("maxNorm=1e-50")]
    [TestCase("hidden=1000000000")]
    [TestCase("accumulate=1000000")]
    [TestCase("timeMasks=2147483647")]
    [TestCase("rowMasks=2147483647")]
    public void Train_OptionBeyondItsRange_IsOneLine(string setting)
    {
        (int code, _, string error) = Program.Run("train", "--set", setting, "--out", folder["run"], "--device", "host");
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((2, 1)), error);
        Assert.That(error, Does.Contain($"'{setting.Split('=')[0]}'").And.Contain("must be"));
    }

    [TestCase("--loaders", "2147483647")]
    [TestCase("--threads", "2147483647")]
    [TestCase("--beam", "2147483647")]
    public void Train_NumberThatNoMachineHas_IsRefused(string option, string value)
    {
        (int code, _, string error) = Program.Run("train", option, value, "--out", folder["run"]);
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.Contain(option).And.Contain("at most"));
    }

    [Test]
    public void Train_LeavesOutCountsAndLists_InTrainingAlone()
    {
        string manifest = folder.WriteNoise(16000, 16000, 48000, 800);
        (int code, string output, string error) = Program.Run(Train(manifest, "--set", "maxSeconds=2", "--set", "padFrames=0"));
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("2 of 4 training utterances are left out").And.Contain("left-out.tsv").And.Contain("2 validation utterances"));
        string[][] listed = [.. File.ReadAllLines(folder["run/left-out.tsv"]).Select(line => line.Split('\t'))];
        Assert.That(listed.Select(row => $"{row[0]} {row[1]} {row[3]}"), Is.EqualTo(new[]
        {
            "u3 0.05 its text needs 1 output frames, the recording gives 0", "u2 3.00 3 s are more than maxSeconds=2",
        }));
        Assert.That(output, Does.Contain("\"trainUtterances\":2").And.Contain("\"valUtterances\":4"));
    }

    [Test]
    public void Train_FeatureCache_GivesTheSameRun()
    {
        string manifest = folder.WriteNoise(16000, 24000, 20000);
        (int code, string first, string error) = Program.Run(Train(manifest, "--feature-cache", folder["cache"]));
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(Directory.GetFiles(folder["cache"], "*", SearchOption.AllDirectories), Has.Length.EqualTo(3));
        Directory.Delete(folder["run"], recursive: true);
        string second = Program.Run(Train(manifest, "--feature-cache", folder["cache"])).Output;
        Directory.Delete(folder["run"], recursive: true);
        string without = Program.Run(Train(manifest)).Output;
        Assert.That(Losses(first), Is.Not.Empty.And.EqualTo(Losses(without)));
        Assert.That(Losses(second), Is.EqualTo(Losses(without)));
    }

    [Test]
    public void Train_Augmented_SaysWhatItCannotDo()
    {
        string manifest = folder.WriteNoise(16000, 24000, 20000);
        Runtime.Features.NpyFile.Write(folder["f.npy"], Sounds.Noise(130 * 13, 1), 130, 13);
        string mixed = folder.Write("mixed.csv", File.ReadAllText(manifest) + "f.npy,u0.txt\n");
        (int code, _, string error) = Program.Run(Train(mixed, "--set", "augment=true", "--feature-cache", folder["cache"]));
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("1 of 4 training utterances are feature files").And.Contain("serves the validation set alone"));

        Directory.Delete(folder["run"], recursive: true);
        string features = folder.Write("features.csv", "f.npy,u0.txt\n");
        (code, _, error) = Program.Run(Train(features, "--set", "augment=true"));
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((2, 1)));
        Assert.That(error, Does.Contain("features.csv").And.Contain("feature files alone"));
    }

    [Test]
    public void Train_RecordingsInBothSets_AreNoted()
    {
        string manifest = folder.WriteNoise(16000, 24000), validation = folder.Write("val.csv", "./u1.wav,u1.txt\n");
        (int code, _, string error) = Program.Run([.. Train(manifest).Select((argument, i) => i == 4 ? validation : argument)]);
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((0, 1)), error);
        Assert.That(error, Does.Contain($"1 of the 1 recordings of {validation} are trained on too, {folder["u1.wav"]}"));
    }

    [Test]
    public void CharactersOutsideTheAlphabet_AreCountedAndScored_OrRefused()
    {
        string manifest = folder.WriteNoise(16000, 24000);
        folder.Write("u1.txt", "CALL 911 NOW");
        (int code, _, string error) = Program.Run(Train(manifest));
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.StartWith($"ds2: 3 characters of 2 kinds are outside the alphabet and cannot be heard: '1' 2 times, first in {folder["u1.txt"]} (line 2 of {manifest})").And.Contain("--strict-text refuses"));

        string[] evaluate = ["evaluate", "--checkpoint", folder["run/latest.safetensors"], "--manifest", manifest, "--device", "host"];
        (code, _, error) = Program.Run([.. evaluate, "--transcripts", folder["heard.tsv"]]);
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("3 characters of 2 kinds"));
        Assert.That(File.ReadAllText(folder["heard.tsv"]), Does.Contain("\tCALL 911 NOW\t"));

        foreach (string[] command in new string[][] { [.. evaluate, "--strict-text"], [.. Train(manifest, "--strict-text").Select(argument => argument == folder["run"] ? folder["other"] : argument)] })
        {
            (code, _, error) = Program.Run(command);
            Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((2, 1)), error);
            Assert.That(error, Does.Contain("'9' once, first in").And.Contain("write out"));
        }
        Assert.That(folder["other"], Does.Not.Exist);
    }

    [TestCase("batchFrames=-1", "batchFrames")]
    [TestCase("maxSeconds=-1", "maxSeconds")]
    [TestCase("noiseProbability=2", "noiseProbability")]
    [TestCase("noiseFolder=nowhere", "nowhere")]
    public void Train_BadDataOption_IsOneLine(string setting, string expected)
    {
        (int code, _, string error) = Program.Run(Train(folder.WriteNoise(16000), "--set", setting));
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((2, 1)));
        Assert.That(error, Does.Contain(expected));
    }

    private static IEnumerable<string> Losses(string output) =>
        output.Split('\n').Where(line => line.Contains("\"event\":\"batch\"", StringComparison.Ordinal)).Select(line => line[..line.IndexOf("\"learningRate\"", StringComparison.Ordinal)]);
}
