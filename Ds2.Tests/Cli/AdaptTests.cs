using System.Diagnostics;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;
using Ds2.Tests.Audio;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary><c>adapt</c> as its users run it, with a model that has learnt seven utterances by heart and a language model of three of their words.</summary>
[NonParallelizable]
public sealed class AdaptTests
{
    private TinyCorpus corpus = null!;

    [OneTimeSetUp]
    public void Train()
    {
        corpus = new TinyCorpus();
        Assert.That(Program.Run([.. corpus.TrainArguments("run"), "--set", "hidden=32", "--set", "channels=4", "--set", "batch=7", "--set", "lr=5e-3", "--set", "anneal=1", "--epochs", "200", "--target-wer", "0", "--lm", "none", "--json"]).Code, Is.Zero);
        File.WriteAllText(corpus.PathOf("sentences.txt"), "YES\nNO\nSTOP\nYES NO\n");
        Assert.That(Program.Run("lm", "build", "--text", corpus.PathOf("sentences.txt"), "--out", Words).Code, Is.Zero);
    }

    [OneTimeTearDown]
    public void DeleteCorpus() => corpus.Dispose();

    private string Model => corpus.PathOf("run/latest.safetensors");

    private string Words => corpus.PathOf("three.lm");

    private string[] Utterances => [.. Enumerable.Range(0, 7).Select(i => corpus.PathOf($"{i}.npy"))];

    /// <summary>Each round's texts are what <c>transcribe</c> writes with the model of the round before, its model is what <c>train --init</c> makes of them, to the bit, and more rounds go on from where the folder is.</summary>
    [Test]
    public void Rounds_AreTranscribeAndTrain_AndGoOn()
    {
        string folder = corpus.PathOf("rounds");
        (int code, string output, string error) = Adapt(folder, Utterances, "--lm", Words, "--alpha", "2", "--rounds", "2", "--epochs", "1");
        Assert.That(code, Is.Zero, error);
        Assert.That(output.Trim().Split('\n')[^1], Does.StartWith("adapted to 7 utterances: ").And.EndWith("round-2/run/latest.safetensors"));
        Assert.That(output, Does.Contain("WER").And.Not.Contain("to write a recording down"), "the rounds' runs are not the user's to go on with");
        foreach ((int round, string model) in new[] { (1, Model), (2, Path.Combine(folder, "round-1/run/latest.safetensors")) })
        {
            string own = Path.Combine(folder, $"round-{round}"), by = corpus.PathOf($"by-hand-{round}");
            Assert.That(Program.Run(["transcribe", .. Utterances, "--checkpoint", model, "--lm", Words, "--alpha", "2", "--out", by, "--device", "host", "--threads", "1"]).Code, Is.Zero);
            string[] pairs = File.ReadAllLines(Path.Combine(own, "manifest.csv"));
            Assert.That(pairs.Select(line => line.Split(',')[0]), Is.EqualTo(Utterances));
            Assert.That(pairs.Select(line => File.ReadAllText(Path.Combine(own, line.Split(',')[1]))), Is.EqualTo(Utterances.Select(path => File.ReadAllText(Path.Combine(by, Path.GetFileNameWithoutExtension(path) + ".txt")))));
            string manifest = Path.Combine(own, "manifest.csv");
            (code, _, error) = Program.Run(
                "train", "--preset", "cpu", "--init", model, "--train-manifest", manifest, "--val-manifest", manifest, "--epochs", "1", "--set", "lr=0.001", "--set", "warmupSteps=10", "--lm", "none",
                "--out", corpus.PathOf($"trained-{round}"), "--device", "host", "--threads", "1");
            Assert.That(code, Is.Zero, error);
            Assert.That(ParametersOf(Path.Combine(own, "run/latest.safetensors")), Is.EqualTo(ParametersOf(corpus.PathOf($"trained-{round}/latest.safetensors"))));
            Assert.That(ParametersOf(Path.Combine(own, "run/latest.safetensors")), Is.Not.EqualTo(ParametersOf(model)), "nothing was learnt");
        }

        byte[] second = File.ReadAllBytes(Path.Combine(folder, "round-2/run/latest.safetensors"));
        File.Delete(Path.Combine(folder, "round-2/manifest.csv"));
        (code, output, error) = Adapt(folder, Utterances, "--lm", Words, "--alpha", "2", "--rounds", "3", "--epochs", "1");
        Assert.That(code, Is.Zero, error);
        Assert.That(output.Trim().Split('\n')[^1], Does.EndWith("round-3/run/latest.safetensors"));
        Assert.That(File.ReadAllBytes(Path.Combine(folder, "round-2/run/latest.safetensors")), Is.EqualTo(second), "a round that is done is not trained again");
    }

    /// <summary>What a folder's rounds were made of stays: other recordings, another rate or another language model are refused.</summary>
    [Test]
    public void OtherRounds_AreRefused()
    {
        string folder = corpus.PathOf("same");
        Assert.That(Adapt(folder, Utterances[..3], "--lm", Words, "--rounds", "1", "--epochs", "1").Code, Is.Zero);
        string[] settings = ["--lm", Words, "--rounds", "1", "--epochs", "1"];
        foreach ((string[] recordings, string[] options) in new[]
        {
            (Utterances[..4], settings), (Utterances[..3], [.. settings, "--lr", "0.1"]), (Utterances[..3], [.. settings, "--beam", "7"]), (Utterances[..3], [.. settings[..^1], "2"]),
        })
        {
            (int code, _, string error) = Adapt(folder, recordings, options);
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error.Trim().Split('\n')[^1], Does.Contain(folder).And.Contain("name another --out"));
        }

        Assert.That(Adapt(folder, Utterances[..3], settings).Code, Is.Zero, "the same command again");

        // A command that came to nothing binds none; one that wrote anything down does.
        string tried = corpus.PathOf("tried");
        Assert.That(Adapt(tried, Utterances[..3], ["--lm", corpus.Manifest, .. settings[2..]]).Code, Is.EqualTo(2));
        Assert.That(Adapt(tried, Utterances[..3], settings).Code, Is.Zero);
        File.Delete(Path.Combine(tried, "round-1/manifest.csv"));
        Assert.That(Adapt(tried, Utterances[..3], [.. settings[..^1], "2"]).Code, Is.EqualTo(2));
        Assert.That(File.Exists(Path.Combine(tried, "round-1/texts/0.txt")));
    }

    /// <summary>It is refused there.</summary>
    [Test]
    public void Help_DoesNotOfferToGoWithoutALanguageModel() => Assert.That(Program.Run("adapt", "--help").Output, Does.Contain("--lm <FILE>").And.Not.Contain("none:"));

    /// <summary>Nothing mends what is misheard but a language model: that of the model's own run, where none is named.</summary>
    [Test]
    public void LanguageModel_IsTheRunsOwn_OrNamed()
    {
        (int code, _, string error) = Adapt(corpus.PathOf("without"), Utterances[..2], "--rounds", "1", "--epochs", "1");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("--lm").And.Contain("lm build").And.Contain("words.lm"));
        Assert.That(Directory.Exists(corpus.PathOf("without")), Is.False);
        Directory.CreateDirectory(corpus.PathOf("with-own"));
        File.Copy(Model, corpus.PathOf("with-own/latest.safetensors"));
        File.Copy(Words, corpus.PathOf("with-own/words.lm"));
        (code, _, error) = Program.Run(["adapt", .. Utterances[..2], "--checkpoint", corpus.PathOf("with-own/latest.safetensors"), "--out", corpus.PathOf("own"), "--rounds", "1", "--epochs", "1", "--device", "host", "--threads", "1"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(File.ReadAllText(corpus.PathOf("own/adapt.txt")), Does.Contain(corpus.PathOf("with-own/words.lm")));
        Assert.That(File.ReadAllBytes(corpus.PathOf("own/round-1/run/words.lm")), Is.EqualTo(File.ReadAllBytes(Words)), "beside the adapted model it is found as beside the first");
        (code, _, error) = Program.Run(["adapt", .. Utterances[..2], "--checkpoint", corpus.PathOf("with-own/latest.safetensors"), "--lm", Words, "--out", corpus.PathOf("named"), "--rounds", "1", "--epochs", "1", "--device", "host", "--threads", "1"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(File.Exists(corpus.PathOf("named/round-1/run/words.lm")), Is.True, "whatever wrote the recordings down");
        (code, _, error) = Program.Run(["adapt", .. Utterances[..2], "--checkpoint", corpus.PathOf("with-own/latest.safetensors"), "--out", corpus.PathOf("none"), "--lm", "none"]);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("needs a language model"));
    }

    /// <summary>A long recording is cut into pieces of its own sound, of half a minute at most; what cannot be read is named and left out, and where nothing can, or nothing is said, that is said.</summary>
    [Test]
    public void Recordings_LongBrokenAndSilent()
    {
        float[] sound = Sounds.Noise(16000 * 70, 0.3);
        WavWriter.Write(corpus.PathOf("long.wav"), sound);
        File.WriteAllText(corpus.PathOf("broken.wav"), "no sound");
        string folder = corpus.PathOf("cut");
        (int code, _, string error) = Adapt(folder, [corpus.PathOf("broken.wav"), corpus.PathOf("long.wav")], "--lm", Words, "--rounds", "1", "--epochs", "1");
        Assert.That(error, Does.Contain($"{corpus.PathOf("broken.wav")}: ").And.Contain("left out"));
        string[] pieces = [.. Directory.GetFiles(Path.Combine(folder, "pieces")).Order(StringComparer.Ordinal)];
        Assert.That(pieces, Has.Length.GreaterThanOrEqualTo(3));
        float[] first = AudioFile.Read(pieces[0]), written = AudioFile.Read(corpus.PathOf("long.wav"));
        Assert.That(first, Is.EqualTo(written[..first.Length]));
        Assert.That(pieces.Select(piece => AudioFile.Duration(piece)), Is.All.LessThanOrEqualTo(30));
        Assert.That(code, Is.Zero, error);

        // A folder of recordings that the pieces are in, too: the second command takes the same, whatever came of the first.
        Directory.CreateDirectory(corpus.PathOf("talks"));
        File.Copy(corpus.PathOf("long.wav"), corpus.PathOf("talks/long.wav"));
        foreach (string slash in new[] { "", "/" })
        {
            (int again, _, error) = Adapt(corpus.PathOf("talks/adapted") + slash, [corpus.PathOf("talks")], "--lm", Words, "--rounds", "1", "--epochs", "1");
            Assert.That(again, Is.EqualTo(code), error);
            Assert.That(error, Does.Not.Contain("name another --out"));
            Assert.That(Directory.GetFiles(corpus.PathOf("talks/adapted/pieces")), Has.Length.EqualTo(pieces.Length));
            Assert.That(File.ReadAllLines(corpus.PathOf("talks/adapted/adapt.txt"))[2], Is.EqualTo(corpus.PathOf("talks/long.wav")));
        }

        (code, _, error) = Adapt(corpus.PathOf("talks"), [corpus.PathOf("talks")], "--lm", Words);
        Assert.That((code, File.Exists(corpus.PathOf("talks/adapt.txt"))), Is.EqualTo((2, false)));
        Assert.That(error, Does.Contain("has all the recordings in it"));

        (code, _, error) = Adapt(corpus.PathOf("nothing"), [corpus.PathOf("broken.wav")], "--lm", Words);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error.Trim().Split('\n')[^1], Is.EqualTo("ds2: none of the recordings can be read"));

        WavWriter.Write(corpus.PathOf("silent.wav"), new float[16000]);
        (code, _, error) = Adapt(corpus.PathOf("silent"), [corpus.PathOf("silent.wav")], "--lm", Words);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error.Trim().Split('\n')[^1], Does.Contain("heard nothing"));
        (code, string output, error) = Adapt(corpus.PathOf("partly-silent"), [.. Utterances[..2], corpus.PathOf("silent.wav")], "--lm", Words, "--rounds", "1", "--epochs", "1");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("round 1: 1 of 3 utterances have nothing in them that was heard"));
        Assert.That(output, Does.Contain("\nadapted to 2 utterances: "));
    }

    /// <summary>Killed while it writes down, between rounds or while it trains: the same command ends with the same bits.</summary>
    [TestCase("round-1/texts")]
    [TestCase("round-1/run/latest.safetensors")]
    [TestCase("round-2/manifest.csv")]
    [CancelAfter(120_000)]
    public void Killed_GoesOnToTheSameModel(string killedAt)
    {
        string whole = corpus.PathOf("whole"), broken = corpus.PathOf($"killed-{killedAt.Length}");
        string[] settings = ["--lm", Words, "--rounds", "2", "--epochs", "20"];
        Assert.That(Adapt(whole, Utterances, settings).Code, Is.Zero);
        using (Process process = Program.Start(["adapt", .. Utterances, "--checkpoint", Model, "--out", broken, "--device", "host", "--threads", "1", .. settings]))
        {
            while (!Path.Exists(Path.Combine(broken, killedAt)) && !process.HasExited)
                Thread.Sleep(1);
            process.Kill();
            process.WaitForExit();
        }

        Assert.That(Path.Exists(Path.Combine(broken, killedAt)), "it ended before");
        Assert.That(File.Exists(Path.Combine(broken, "round-2/run/report.html")), Is.False, "it was done before it was killed");
        (int code, _, string error) = Adapt(broken, Utterances, settings);
        Assert.That(code, Is.Zero, error);
        Assert.That(ParametersOf(Path.Combine(broken, "round-2/run/latest.safetensors")), Is.EqualTo(ParametersOf(Path.Combine(whole, "round-2/run/latest.safetensors"))));
    }

    /// <summary>Beside what is written down stand as many transcribed utterances, evenly spread, others in each round, and none that is written down; of few, each once.</summary>
    [Test]
    public void With_TranscribedSpeech_IsTrainedOnToo()
    {
        string folder = corpus.PathOf("with");
        (int code, _, string error) = Adapt(folder, Utterances[..3], "--lm", Words, "--rounds", "2", "--epochs", "1", "--with", corpus.Manifest);
        Assert.That(code, Is.Zero, error);
        string[][] own = [.. Enumerable.Range(1, 2).Select(round => File.ReadAllLines(Path.Combine(folder, $"round-{round}/manifest.csv"))[3..])];
        foreach (string[] lines in own)
            Assert.That(lines, Is.Unique.And.Length.EqualTo(3).And.SubsetOf(Enumerable.Range(3, 4).Select(i => $"{corpus.PathOf($"{i}.npy")},{corpus.PathOf($"{i}.txt")}")));
        Assert.That(own[0], Is.Not.EqualTo(own[1]));
        foreach ((string manifest, string fault) in new[] { ("gone.npy,6.txt", "gone.npy: no such file"), ("0.npy,0.txt", "lists nothing but the recordings") })
        {
            File.WriteAllText(corpus.PathOf("bad.csv"), manifest + "\n");
            (code, _, error) = Adapt(corpus.PathOf("with-bad"), Utterances[..3], "--lm", Words, "--with", corpus.PathOf("bad.csv"));
            Assert.That((code, Directory.Exists(corpus.PathOf("with-bad"))), Is.EqualTo((2, false)), error);
            Assert.That(error, Does.Contain(fault));
        }

        File.WriteAllText(corpus.PathOf("one.csv"), "6.npy,6.txt\n");
        Assert.That(Adapt(corpus.PathOf("with-one"), Utterances[..3], "--lm", Words, "--rounds", "1", "--epochs", "1", "--with", corpus.PathOf("one.csv")).Code, Is.Zero);
        Assert.That(File.ReadAllLines(corpus.PathOf("with-one/round-1/manifest.csv")), Has.Length.EqualTo(4));
    }

    private (int Code, string Output, string Error) Adapt(string folder, string[] recordings, params string[] more) =>
        Program.Run(["adapt", .. recordings, "--checkpoint", Model, "--out", folder, "--device", "host", "--threads", "1", .. more]);

    private static float[] ParametersOf(string checkpoint)
    {
        using var loaded = Checkpoint.Open(checkpoint);
        using var engine = new HostEngine(threads: 1);
        using DeepSpeech2 model = loaded.Model.Load(engine);
        return model.Parameters.Values.ToArray();
    }
}
