using System.Diagnostics;
using System.Text.Json;
using Ds2.Runtime.Audio;
using Ds2.Tests.Audio;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary><c>transcribe</c> as its users run it.</summary>
[NonParallelizable]
public sealed class TranscribeTests
{
    private TinyCorpus corpus = null!;

    [OneTimeSetUp]
    public void Train()
    {
        corpus = new TinyCorpus();
        Assert.That(Program.Run([.. corpus.TrainArguments("run"), "--epochs", "1", "--json"]).Code, Is.Zero);
        for (int i = 0; i < 5; i++)
        {
            foreach (string speaker in new[] { "a", "b" })
            {
                Directory.CreateDirectory(corpus.PathOf($"wav/{speaker}"));
                WavWriter.Write(corpus.PathOf($"wav/{speaker}/{i}.wav"), Sounds.Noise(16000 + 1600 * i, 0.3, i + 1));
            }
        }
    }

    [OneTimeTearDown]
    public void DeleteCorpus() => corpus.Dispose();

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
            ["a/x.wav"] = "no sound"u8.ToArray(), ["b/x.wav"] = [], ["b/3x.flac"] = "fLaC"u8.ToArray(), ["x.npy"] = File.ReadAllBytes(corpus.PathOf("0.npy"))[..100],
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
            Assert.That(
                Directory.EnumerateFiles(corpus.PathOf("texts"), "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(corpus.PathOf("texts"), path)).Order(StringComparer.Ordinal),
                Is.EqualTo(good.Order(StringComparer.Ordinal)));
        }
        finally
        {
            foreach (string name in broken.Keys)
                File.Delete(corpus.PathOf($"wav/{name}"));
        }
    }

    [Test]
    public void WhatIsThere_IsKept_UnlessItMayBeOverwritten()
    {
        string kept = corpus.PathOf("kept/a/1.txt");
        Directory.CreateDirectory(Path.GetDirectoryName(kept)!);
        File.WriteAllText(kept, "mine");
        string glob = corpus.PathOf("wav/**/1.wav");
        (int code, _, string error) = Run(glob, "--out", corpus.PathOf("kept"));
        Assert.That((code, File.ReadAllText(kept)), Is.EqualTo((0, "mine")), error);
        Assert.That(error, Does.Contain("1 of 2 recordings have their texts already; --overwrite"));
        Assert.That(corpus.PathOf("kept/b/1.txt"), Does.Exist);
        Run(glob, "--out", corpus.PathOf("kept"), "--overwrite");
        Assert.That(File.ReadAllText(kept), Is.EqualTo(File.ReadAllText(corpus.PathOf("kept/b/1.txt"))).And.Not.EqualTo("mine"));
    }

    /// <summary>Named one by one, those of the same name are told apart by their folders.</summary>
    [Test]
    public void SameNames_DoNotOverwriteEachOther()
    {
        (int code, _, string error) = Run(corpus.PathOf("wav/a/0.wav"), corpus.PathOf("wav/b/0.wav"), corpus.PathOf("wav/b/2.wav"), "--out", corpus.PathOf("same"));
        Assert.That(code, Is.Zero, error);
        Assert.That(
            Directory.EnumerateFiles(corpus.PathOf("same"), "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(corpus.PathOf("same"), path)).Order(StringComparer.Ordinal),
            Is.EqualTo(new[] { "2.txt", "a/0.txt", "b/0.txt" }));
    }

    [TestCase("--live", "file.wav")]
    [TestCase("--live", "-", "--format", "srt")]
    [TestCase("--live", "-", "--beam", "5")]
    [TestCase("--live", "-", "--nbest", "5")]
    [TestCase("--live", "-")]
    public void Live_OfWhatCannotBeLive_IsOneLine(params string[] arguments)
    {
        (int code, string output, string error) = Run(arguments);
        Assert.That((code, output, error.Trim().Split('\n').Length), Is.EqualTo((2, "", 1)), error);
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
        })
        {
            (int code, string output, string error) = Run(arguments);
            Assert.That((code, output, error.Trim().Split('\n').Length), Is.EqualTo((2, "", 1)), error);
        }
    }

    private (int Code, string Output, string Error) Run(params string[] arguments) => Program.Run(["transcribe", "--checkpoint", Model, "--device", "host", "--threads", "1", .. arguments]);
}
