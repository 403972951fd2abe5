using System.Diagnostics;
using System.Text.Json;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Files;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary><c>transcribe</c> as its users run it, with a model that has learnt seven utterances by heart.</summary>
[NonParallelizable]
public sealed class TranscribeTests
{
    private TinyCorpus corpus = null!;

    [OneTimeSetUp]
    public void Train()
    {
        corpus = new TinyCorpus();
        Assert.That(Program.Run([.. corpus.TrainArguments("run"), "--set", "hidden=32", "--set", "channels=4", "--set", "batch=7", "--set", "lr=5e-3", "--set", "anneal=1", "--epochs", "400", "--target-wer", "0", "--json"]).Code, Is.Zero);
        for (int i = 0; i < 5; i++)
        {
            foreach (string speaker in new[] { "a", "b" })
            {
                Directory.CreateDirectory(corpus.PathOf($"wav/{speaker}"));
                WavWriter.Write(corpus.PathOf($"wav/{speaker}/{i}.wav"), Sounds.Noise(16000 + 1600 * i, 0.3, i + 1));
            }
        }
        foreach ((string name, int utterance) in Known)
        {
            Directory.CreateDirectory(corpus.PathOf(Path.GetDirectoryName(name)!));
            File.Copy(corpus.PathOf($"{utterance}.npy"), corpus.PathOf(name));
        }
    }

    [OneTimeTearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>Recordings of which it is known what the model hears: those that it was trained on, in two folders, where some share a name.</summary>
    private static readonly (string Name, int Utterance)[] Known = [.. Enumerable.Range(0, 7).Select(i => ($"known/{(i < 4 ? "x" : "y")}/{i % 4}.npy", i))];

    private string Model => corpus.PathOf("run/latest.safetensors");

    [Test]
    public void OneRecording_IsWrittenToStdout()
    {
        (int code, string output, string error) = Run(corpus.PathOf("3.npy"), "--format", "json", "--words", "--nbest", "2");
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement json = JsonDocument.Parse(output).RootElement;
        Assert.That(json.GetProperty("file").GetString(), Is.EqualTo(corpus.PathOf("3.npy")));
        Assert.That(json.GetProperty("seconds").GetDouble(), Is.EqualTo(0.81).Within(1e-9));
        Assert.That(Run(corpus.PathOf("3.npy")).Output.Trim(), Is.EqualTo(json.GetProperty("text").GetString()));
    }

    /// <summary>Some among ten good ones are broken: each is named, they are counted, the ten are written, and the program ends with 1; those of the same name stand in their folders.</summary>
    [Test]
    public void Folder_IsWrittenButForWhatIsBroken()
    {
        var broken = new Dictionary<string, byte[]>
        {
            ["a/x.wav"] = "no sound"u8.ToArray(),
            ["b/x.wav"] = [],
            ["b/3x.flac"] = "fLaC"u8.ToArray(),
            ["x.npy"] = File.ReadAllBytes(corpus.PathOf("0.npy"))[..100],
        };
        foreach ((string name, byte[] content) in broken)
            File.WriteAllBytes(corpus.PathOf($"wav/{name}"), content);
        try
        {
            (int code, string output, string error) = Run(corpus.PathOf("wav"), "--out", corpus.PathOf("texts"), "--format", "txt,json");
            Assert.That((code, output), Is.EqualTo((1, "")));
            Assert.That(error, Does.Contain("4 of 14 recordings could not be read").And.Contain("x real time"));
            foreach (string name in broken.Keys)
                Assert.That(error, Does.Contain($"ds2: {corpus.PathOf($"wav/{name}")}: "));
            string[] good = [.. Enumerable.Range(0, 5).SelectMany(i => new[] { $"a/{i}", $"b/{i}" }).SelectMany(name => new[] { name + ".json", name + ".txt" })];
            Assert.That(Names(corpus.PathOf("texts")), Is.EqualTo(good.Order(StringComparer.Ordinal)));
        }
        finally
        {
            foreach (string name in broken.Keys)
                File.Delete(corpus.PathOf($"wav/{name}"));
        }
    }

    /// <summary>Where there is no standard input the runtime has a pipe of its own under its number, from which nothing comes; of a folder nothing can be read.</summary>
    [TestCase("<&-", "standard input is closed")]
    [TestCase("</", "cannot be read: Is a directory")]
    [CancelAfter(60_000)]
    public void StandardInput_ThatIsNone_IsNamed(string redirection, string fault)
    {
        using Process process = Program.StartBy(["sh", "-c", $"exec \"$@\" {redirection}", "sh"], "transcribe", "--checkpoint", Model, "--device", "host", "-");
        try
        {
            Assert.That(process.WaitForExit(TimeSpan.FromSeconds(50)), Is.True, "it hangs");
            Assert.That((process.ExitCode, process.StandardError.ReadToEnd().Trim()), Is.EqualTo((2, $"ds2: -: {fault}")));
        }
        finally
        {
            process.Kill();
        }
    }

    /// <summary>Among others it is one that cannot be read, and they are written.</summary>
    [Test]
    [CancelAfter(60_000)]
    public void StandardInput_ThatIsNone_AmongOthers_EndsNothing()
    {
        RequireShell();
        using var folder = new TempFolder();
        using Process process = Program.StartBy(
            ["sh", "-c", "exec \"$@\" <&-", "sh"], "transcribe", "--checkpoint", Model, "--device", "host", "-", corpus.PathOf("known/x/1.npy"), "--out", folder.Path);
        try
        {
            Assert.That(process.WaitForExit(TimeSpan.FromSeconds(50)), Is.True, "it hangs");
            string error = process.StandardError.ReadToEnd();
            Assert.That((process.ExitCode, Names(folder.Path).SequenceEqual(["1.txt"])), Is.EqualTo((1, true)), error);
            Assert.That(error, Does.Contain("ds2: -: standard input is closed").And.Contain("1 of 2 recordings could not be read"));
        }
        finally
        {
            process.Kill();
        }
    }

    /// <summary>Each text is that of its own recording, in every format, and what evaluate hears.</summary>
    [Test]
    public void Texts_AreWhatWasSaid_AndWhatEvaluateHears()
    {
        (int code, _, string error) = Run(corpus.PathOf("known"), "--out", corpus.PathOf("said"), "--format", "txt,json,ctm,srt", "--words");
        Assert.That(code, Is.Zero, error);
        (code, _, error) = Program.Run("evaluate", "--checkpoint", Model, "--manifest", corpus.Manifest, "--device", "host", "--threads", "1", "--transcripts", corpus.PathOf("heard.tsv"));
        Assert.That(code, Is.Zero, error);
        var heard = File.ReadLines(corpus.PathOf("heard.tsv")).Skip(1).Select(line => line.Split('\t')).ToDictionary(fields => fields[0], fields => fields[3]);
        foreach ((string name, int utterance) in Known)
        {
            string said = File.ReadAllText(corpus.PathOf($"{utterance}.txt")).Trim(), text = Path.ChangeExtension(name.Replace("known", "said"), null);
            Assert.That(heard[$"{utterance}"], Is.EqualTo(said));
            Assert.That(File.ReadAllText(corpus.PathOf(text + ".txt")), Is.EqualTo(said + "\n"), name);
            JsonElement json = JsonDocument.Parse(File.ReadAllText(corpus.PathOf(text + ".json"))).RootElement;
            Assert.That((json.GetProperty("file").GetString(), json.GetProperty("text").GetString()), Is.EqualTo((corpus.PathOf(name), said)));
            Assert.That(File.ReadAllLines(corpus.PathOf(text + ".srt")), Does.Contain(said), name);
            string[][] words = [.. File.ReadAllLines(corpus.PathOf(text + ".ctm")).Select(line => line.Split(' '))];
            Assert.That(string.Join(' ', words.Select(word => word[4])), Is.EqualTo(said));
            Assert.That(words.Select(word => word[0]).Distinct(), Is.EqualTo(new[] { text["said/".Length..] }));
        }
    }

    /// <summary>Goes by the file: a text that is there stays, and the other formats of its recording are written.</summary>
    [Test]
    public void WhatIsThere_IsKept_UnlessItMayBeOverwritten()
    {
        using var folder = new TempFolder();
        string kept = folder.Write("x/1.txt", "mine"), partial = folder.Write("y/1.txt" + AtomicFile.PartialSuffix, "cut short");
        string glob = corpus.PathOf("known/**/1.npy");
        (int code, _, string error) = Run(glob, "--out", folder.Path, "--format", "txt,srt");
        Assert.That((code, File.ReadAllText(kept)), Is.EqualTo((0, "mine")), error);
        Assert.That(error, Does.Contain("1 of 4 texts are there already and stay; --overwrite"));
        Assert.That(Names(folder.Path), Is.EqualTo(new[] { "x/1.srt", "x/1.txt", "y/1.srt", "y/1.txt" }));

        (code, _, error) = Run(glob, "--out", folder.Path, "--format", "txt,srt");
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((0, 1)), error);
        (code, _, error) = Program.Run("transcribe", "--checkpoint", folder["none"], glob, "--out", folder.Path);
        Assert.That((code, error), Is.EqualTo((2, $"ds2: {folder["none"]}: no such file{Environment.NewLine}")));

        Run(glob, "--out", folder.Path, "--overwrite");
        Assert.That((File.ReadAllText(kept), File.Exists(partial)), Is.EqualTo(("NO\n", false)));
    }

    /// <summary>A recording that is called as a text is, its own or through a link, and hot words that are: refused before anything is heard, and nothing is written.</summary>
    [TestCase("a.txt")]
    [TestCase("link.txt", "a.txt")]
    [TestCase("a.wav", "--hotwords", "a.txt")]
    public void TextThatWouldReplaceWhatIsRead_IsRefused(params string[] arguments)
    {
        using var folder = new TempFolder();
        foreach (string name in new[] { "a.txt", "a.wav", "b.wav" })
            folder.Write(name, File.ReadAllBytes(corpus.PathOf("wav/a/0.wav")));
        File.CreateSymbolicLink(folder["link.txt"], "a.txt");
        byte[] before = File.ReadAllBytes(folder["a.txt"]);
        (int code, string output, string error) = Run(["--overwrite", folder["b.wav"], .. arguments.Select(argument => argument[0] == '-' ? argument : folder[argument])]);
        Assert.That((code, output, error.Trim().Split('\n').Length), Is.EqualTo((2, "", 1)), error);
        Assert.That(error, Does.Contain(".txt: is read, and the text of "));
        Assert.That(Names(folder.Path), Is.EqualTo(new[] { "a.txt", "a.wav", "b.wav", "link.txt" }));
        Assert.That(File.ReadAllBytes(folder["a.txt"]), Is.EqualTo(before));
    }

    /// <summary>What a shell's glob takes in besides recordings stays, and hinders nothing.</summary>
    [Test]
    public void NotesAmongRecordings_StayWithoutOverwrite()
    {
        using var folder = new TempFolder();
        folder.Write("notes.txt", "no recording\n");
        folder.Write("b.wav", File.ReadAllBytes(corpus.PathOf("wav/a/0.wav")));
        (int code, _, string error) = Run(folder["b.wav"], folder["notes.txt"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(Names(folder.Path), Is.EqualTo(new[] { "b.txt", "b.wav", "notes.txt" }));
        Assert.That(File.ReadAllText(folder["notes.txt"]), Is.EqualTo("no recording\n"));
    }

    /// <summary>A folder stands where a text should, and a file where a folder of texts should: they are named and counted, and all other texts are written.</summary>
    [Test]
    public void TextThatCannotBeWritten_EndsNothing()
    {
        using var folder = new TempFolder();
        folder.Write("x", "");
        Directory.CreateDirectory(folder["y/0.txt"]);
        (int code, _, string error) = Run(corpus.PathOf("known"), "--out", folder.Path);
        Assert.That(code, Is.EqualTo(1), error);
        Assert.That(error, Does.Contain("7 of 7 recordings, ").And.Contain("ds2: 5 of 7 texts could not be written").And.Contain($"ds2: {folder["y/0.txt"]}: ").And.Contain($"ds2: {folder["x/0.txt"]}: "));
        Assert.That(Names(folder.Path), Is.EqualTo(new[] { "x", "y/1.txt", "y/2.txt" }));
    }

    /// <summary>A full disk ends it at once, as what follows could not be written either; with room again it goes on.</summary>
    [Test]
    public void FullDisk_EndsIt_AndItGoesOn()
    {
        using var disk = new SmallDisk(megabytes: 1);
        Directory.CreateDirectory(disk["out/x"]);
        Directory.CreateDirectory(disk["out/y"]);
        disk.Fill(4096);
        string[] arguments = [corpus.PathOf("known"), "--out", disk["out"]];
        (int code, _, string error) = Run(arguments);
        Assert.That((code, Names(disk["out"]).Length), Is.EqualTo((2, 1)), error);
        Assert.That(error.Trim().Split('\n')[^1], Does.StartWith($"ds2: {disk["out"]}").And.Contain("No space left"));
        disk.Empty();
        (code, _, error) = Run(arguments);
        Assert.That((code, Names(disk["out"]).Length), Is.EqualTo((0, 7)), error);
        Assert.That(error, Does.Contain("1 of 7 texts are there already"));
    }

    [Test]
    public void FolderThatCannotBeRead_IsSaid_AndTheExitCodeIs1()
    {
        using var folder = new TempFolder();
        folder.Write("t/1.npy", File.ReadAllBytes(corpus.PathOf("1.npy")));
        try
        {
            RecordingListTests.MakeUnreadable(folder["t"]);
            (int code, _, string error) = Run(folder["t"]);
            Assert.That((code, File.ReadAllText(folder["t/1.txt"])), Is.EqualTo((1, "NO\n")), error);
            Assert.That(error, Does.Contain($"ds2: {folder["t/d"]}"));
        }
        finally
        {
            using Process remove = Process.Start("rm", ["-rf", folder["t"]]);
            remove.WaitForExit();
        }
    }

    /// <summary>Beside each other, recordings of one name have texts of their own.</summary>
    [Test]
    public void SameNamesBesideEachOther_KeepTheirEndings()
    {
        using var folder = new TempFolder();
        folder.Write("t/x.npy", File.ReadAllBytes(corpus.PathOf("1.npy")));
        folder.Write("t/x.wav", File.ReadAllBytes(corpus.PathOf("wav/a/0.wav")));
        (int code, _, string error) = Run(folder["t/*.npy"], folder["*/x.wav"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(Names(folder.Path), Is.EqualTo(new[] { "t/x.npy", "t/x.npy.txt", "t/x.wav", "t/x.wav.txt" }));
        Assert.That(File.ReadAllText(folder["t/x.npy.txt"]), Is.EqualTo("NO\n"));
    }

    /// <summary>As a file, and named twice as one, with nothing else on stdout and stderr.</summary>
    [Test]
    public void StandardInput_IsWrittenToStdout()
    {
        RequireShell();
        string text = Run(corpus.PathOf("wav/a/0.wav")).Output;
        Assert.That(text.Trim(), Is.Not.Empty);
        using Process process = Piped(corpus.PathOf("wav/a/0.wav"), "-", "-");
        string output = process.StandardOutput.ReadToEnd(), error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, output, error), Is.EqualTo((0, text, "")));
    }

    /// <summary>Its sound stops coming, so that it waits when the signal is sent.</summary>
    [Test]
    public void StandardInput_Interrupted_SaysWhatIsLost()
    {
        RequireShell();
        string pipe = corpus.PathOf("pipe");
        using (Process mkfifo = Process.Start("mkfifo", [pipe]))
            mkfifo.WaitForExit();
        using Process process = Piped(pipe, "-");
        using var sound = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        sound.Write(File.ReadAllBytes(corpus.PathOf("wav/a/0.wav")).AsSpan(0, 20000));
        sound.Flush();
        using (Process kill = Process.Start("sh", ["-c", $"while ! grep -q 'ds2 reader' /proc/{process.Id}/task/*/comm; do sleep 0.1; done; kill -TERM {process.Id}"]))
            kill.WaitForExit();
        string output = process.StandardOutput.ReadToEnd(), error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, output), Is.EqualTo((130, "")));
        Assert.That(error, Does.Contain("of this recording nothing is written"));
    }

    /// <summary>Named one by one, those of the same name are told apart by their folders.</summary>
    [Test]
    public void SameNames_DoNotOverwriteEachOther()
    {
        (int code, _, string error) = Run(corpus.PathOf("wav/a/0.wav"), corpus.PathOf("wav/b/0.wav"), corpus.PathOf("wav/b/2.wav"), "--out", corpus.PathOf("same"));
        Assert.That(code, Is.Zero, error);
        Assert.That(Names(corpus.PathOf("same")), Is.EqualTo(new[] { "2.txt", "a/0.txt", "b/0.txt" }));
    }

    [TestCase("--live", "file.wav")]
    [TestCase("--live", "-", "--beam", "5")]
    [TestCase("--live", "-")]
    public void Live_OfWhatCannotBeLive_IsOneLine(params string[] arguments)
    {
        (int code, string output, string error) = Run(arguments);
        Assert.That((code, output, error.Trim().Split('\n').Length), Is.EqualTo((2, "", 1)), error);
    }

    /// <summary>The command that the line shows makes what <c>--rate</c> takes: without <c>-t raw</c> arecord writes WAV.</summary>
    [Test]
    public void Live_OfAFile_ShowsHowSoundComesRaw() => Assert.That(Run("--live", "file.wav").Error, Does.Contain("-t raw |").And.Contain("--rate 16000 -"));

    [TestCase("--format", "srt")]
    [TestCase("--out", "texts")]
    [TestCase("--words")]
    [TestCase("--nbest", "5")]
    [TestCase("--overwrite")]
    [TestCase("--jobs", "1")]
    [TestCase("--batch-seconds", "9")]
    public void Live_WithAnOptionThatDoesNothing_NamesIt(params string[] option)
    {
        (int code, _, string error) = Run(["--live", "-", .. option]);
        Assert.That((code, error.TrimEnd()), Is.EqualTo((2, $"ds2: --live writes lines as they come, with their words, to stdout: leave out {option[0]}")));
    }

    [Test]
    public void Live_WithABeamAndHotWords_HearsToTheEnd()
    {
        Assert.That(Program.Run([.. corpus.TrainArguments("live"), "--set", "bidirectional=false", "--set", "normalization=corpus", "--epochs", "1", "--max-batches", "1", "--json"]).Code, Is.Zero);
        File.WriteAllText(corpus.PathOf("hot.txt"), "stop\t2\n");
        using Process process = Program.StartBy(
            ["sh", "-c", $"exec \"$@\" < '{corpus.PathOf("wav/a/0.wav")}'", "sh"],
            "transcribe", "--checkpoint", corpus.PathOf("live/latest.safetensors"), "--device", "host", "--live", "--beam", "5", "--hotwords", corpus.PathOf("hot.txt"), "-");
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, error), Is.EqualTo((0, "")));
    }

    [Test]
    public void Mistakes_AreOneLine()
    {
        foreach (string[] arguments in new string[][]
        {
            [corpus.PathOf("none.wav")], ["--rate", "16000", corpus.PathOf("wav")], [corpus.PathOf("run")], [corpus.PathOf("wav/*.mp3")], ["--format", "doc", corpus.PathOf("wav")],
            ["--words", corpus.PathOf("1.npy")], ["--nbest", "5", "--format", "srt,ctm", corpus.PathOf("1.npy")], ["--overwrite", corpus.PathOf("1.npy")],
            ["--out", corpus.PathOf("1.npy"), corpus.PathOf("wav")],
        })
        {
            (int code, string output, string error) = Run(arguments);
            Assert.That((code, output, error.Trim().Split('\n').Length), Is.EqualTo((2, "", 1)), error);
        }
    }

    [TestCase("0")]
    [TestCase("-16000")]
    [TestCase("999999999")]
    public void RateOfNoSound_IsRefused(string rate)
    {
        foreach (string[] more in new string[][] { ["--live"], [] })
        {
            (int code, _, string error) = Run(["-", "--rate", rate, .. more]);
            Assert.That((code, error.Split('\n')[0].TrimEnd()), Is.EqualTo((2, "ds2: --rate must be from 1000 to 768000")));
        }
    }

    private static void RequireShell()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("needs a shell that redirects, and /proc");
    }

    /// <summary>A process of its own that has a file for standard input.</summary>
    private Process Piped(string input, params string[] arguments) => Program.StartBy(
        ["sh", "-c", $"exec \"$@\" < '{input}'", "sh"], ["transcribe", "--checkpoint", Model, "--device", "host", "--threads", "1", .. arguments]);

    private static string[] Names(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path)).Order(StringComparer.Ordinal)];

    private (int Code, string Output, string Error) Run(params string[] arguments) => Program.Run(["transcribe", "--checkpoint", Model, "--device", "host", "--threads", "1", .. arguments]);
}
