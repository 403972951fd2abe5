using Ds2.Runtime.Features;
using Ds2.Runtime.Training;
using Ds2.Tests.Cli;
using Ds2.Tests.Data;

namespace Ds2.Tests.Training;

/// <summary>What is trained where a user names a corpus and no preset.</summary>
[NonParallelizable]
public sealed class PresetChoiceTests
{
    [TestCase(0.0, 60)]
    [TestCase(1.0, 60)]
    [TestCase(2.0, 40)]
    [TestCase(7.8, 11)]
    [TestCase(8.0, 10)]
    [TestCase(960.0, 10)]
    public void For_FewHours_TakesMoreEpochs(double hours, int epochs)
    {
        var choice = PresetChoice.For(hours, utterances: 1000000, isGpu: false, holdsCoefficients: false);
        Assert.That((choice.Preset, choice.Options.Training.Epochs), Is.EqualTo(("cpu", epochs)));
        TrainingOptions training = RunOptions.Presets["cpu"].Training with { Epochs = epochs };
        Assert.That(choice.Options.Training, Is.EqualTo(hours < 3 ? training with { Lr = 3e-3, WarmupSteps = 150, Dropout = 0.2 } : training));
        Assert.That(choice.Options.Data, Is.EqualTo(hours < 3 ? RunOptions.Presets["cpu"].Data with { Batch = 16, Tempo = 0.15, Warp = 0.15, TimeMasks = 2, TimeMaskWidth = 15 } : RunOptions.Presets["cpu"].Data));
        Assert.That(choice.Reason, Does.StartWith($"cpu, {epochs} epochs: ").And.Contain("--target-wer"));
    }

    /// <summary>33 utterances are three batches: 180 steps in 60 epochs, where the preset would warm up for 150.</summary>
    [TestCase(33, 18)]
    [TestCase(1, 6)]
    [TestCase(0, 0)]
    [TestCase(400, 150)]
    [TestCase(1000000, 150)]
    public void For_FewUtterances_WarmsUpOverATenthOfTheRun(int utterances, int steps) =>
        Assert.That(PresetChoice.For(0.1, utterances, isGpu: false, holdsCoefficients: false).Options.Training.WarmupSteps, Is.EqualTo(steps));

    /// <summary>Over a tenth of the run that is asked for, not of the one that would have been chosen: the rate would never be at its height.</summary>
    [TestCase(60, 16, 1, 150)]
    [TestCase(5, 16, 1, 30)]
    [TestCase(5, 16, 4, 7)]
    [TestCase(5, 8, 1, 60)]
    [TestCase(1, 16, 1, 6)]
    public void For_WhatIsAsked_WarmsUpOverATenthOfThat(int epochs, int batch, int accumulate, int steps)
    {
        RunOptions asked = RunOptions.Presets["cpu"];
        asked = asked with { Data = asked.Data with { Batch = batch, Accumulate = accumulate }, Training = asked.Training with { Epochs = epochs } };
        var choice = PresetChoice.For(0.1, utterances: 960, isGpu: false, holdsCoefficients: false, asked);
        Assert.That((choice.Options.Training.Epochs, choice.Options.Training.WarmupSteps), Is.EqualTo((epochs, steps)));
        Assert.That(choice.Reason, Does.StartWith($"cpu, {epochs} epoch"));
    }

    /// <summary>36,000 frames in batches of 3600 are ten, however many utterances they are.</summary>
    [Test]
    public void For_BatchesByFrames_CountsThoseSteps()
    {
        RunOptions asked = RunOptions.Presets["cpu"];
        asked = asked with { Data = asked.Data with { BatchFrames = 3600 }, Training = asked.Training with { Epochs = 12 } };
        Assert.That(PresetChoice.For(0.1, utterances: 960, isGpu: false, holdsCoefficients: false, asked).Options.Training.WarmupSteps, Is.EqualTo(12));
    }

    [Test]
    public void For_AGpu_AndForCoefficients()
    {
        Assert.That(PresetChoice.For(10, 10000, isGpu: true, holdsCoefficients: false).Options, Is.EqualTo(RunOptions.Presets["gpu"]));
        Assert.That(PresetChoice.For(10, 10000, isGpu: false, holdsCoefficients: true).Options.Model, Is.EqualTo(RunOptions.Presets["cpu"].Model with { Features = FeatureKind.MfccRaw }));
    }

    /// <summary>The options are laid on what was chosen before and after the corpus is known.</summary>
    [Test]
    public void Train_ParametersFromAPipe_AreReadOnce()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("makes a pipe by mkfifo");
        using var folder = new TempFolder();
        string manifest = folder.WriteNoise(9600, 12800);
        (int code, _, string error) = Pipe.Through(folder["p.json"], """{"hidden": 4, "channels": 2, "epochs": 1}"""u8.ToArray(), pipe => Program.Run(
            "train", "--train-manifest", manifest, "--val-manifest", manifest, "--device", "host", "--lm", "none", "--params", pipe, "--out", folder["run"]));
        Assert.That(code, Is.Zero, error);
        Assert.That(RunOptions.Parse(File.ReadAllText(folder["run/options.json"]), "options.json", new RunOptions()).Model.Hidden, Is.EqualTo(4));
    }

    [Test]
    public void Train_OnOnesOwnCorpus_SaysWhatItChose_AndTheTargetOfTheBenchmarkDoesNotEndIt()
    {
        using var folder = new TempFolder();
        string manifest = folder.WriteNoise(9600, 12800);
        string[] arguments = ["train", "--train-manifest", manifest, "--val-manifest", manifest, "--device", "host", "--epochs", "1", "--set", "hidden=4", "--set", "channels=2", "--out", folder["run"]];
        (int code, string output, string error) = Program.Run(arguments);
        RunOptions options = RunOptions.Parse(File.ReadAllText(folder["run/options.json"]), "options.json", new RunOptions());
        RunOptions cpu = RunOptions.Presets["cpu"];
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(output, Does.Contain("preset      cpu, 1 epoch: "));
            Assert.That(options, Is.EqualTo(PresetChoice.For(0, 2, isGpu: false, holdsCoefficients: false).Options with
            {
                Model = cpu.Model with { Hidden = 4, Channels = 2 },
                Training = cpu.Training with { Epochs = 1, Lr = 3e-3, WarmupSteps = 0, Dropout = 0.2 },
            }));
            Assert.That(options.Training.TargetWer, Is.Zero);
        });
        (code, output, error) = Program.Run([.. arguments[..^1], folder["named"], "--preset", "mini"]);
        Assert.That((code, output.Contains("preset  ")), Is.EqualTo((0, false)), "one that is named is not chosen");
        (code, output, error) = Program.Run([.. arguments[..^1], folder["json"], "--json"]);
        Assert.That(output.Split('\n')[0], Does.Contain("\"chosenPreset\":\"cpu\""));
    }
}
