using System.CommandLine;
using Ds2.Bench;
using Ds2.Bench.Data;
using Ds2.Bench.Decoding;
using Ds2.Bench.Gpu;
using Ds2.Bench.LanguageModels;
using Ds2.Bench.Live;
using Ds2.Bench.Step;

namespace Ds2.Tests.Bench;

/// <summary>The benchmarks' options that take numbers.</summary>
public sealed class NumberOptionsTests
{
    /// <summary>A decimal comma was taken for one between thousands: 25 GB/s in place of 2.5.</summary>
    [TestCase("2,5")]
    [TestCase("1,000")]
    [TestCase("NaN")]
    [TestCase("fast")]
    public void Parse_WhatIsNoNumber_NamesOptionAndValue(string value)
    {
        foreach (string option in new[] { "--link", "--copy", "--latency-us" })
            Assert.That(GpuReportCommand.Create().Parse([option, value]).Errors.Select(error => error.Message), Is.EqualTo(new[] { $"{option} must be a number such as 2.5, not {value}" }));
    }

    /// <summary>None of these ended in a line: a division by zero, an empty list's last, an endless run.</summary>
    [TestCase("decoder", "--rounds", "0")]
    [TestCase("decoder", "--beam", "0")]
    [TestCase("lm", "--words", "0")]
    [TestCase("lm", "--tokens", "-3")]
    [TestCase("corpus", "--utterances", "0")]
    [TestCase("loader", "--workers", "0")]
    [TestCase("live", "--streams", "0")]
    [TestCase("parity", "--steps", "0")]
    public void Parse_CountOfNothing_IsRefused(string command, string option, string value)
    {
        Command[] all = [DecoderCommand.Create(), LanguageModelCommand.Create(), CorpusCommand.Create(), LoaderCommand.Create(), LiveCommand.Create(), ParityCommand.Create()];
        ParseResult parsed = all.Single(one => one.Name == command).Parse([option, value]);
        Assert.That(parsed.Errors.Select(error => error.Message), Does.Contain($"{option} {value}: must be at least 1"));
    }

    [TestCase("Cannot parse argument 'x' for option '--rounds' as a whole number.")]
    public void Parse_WhatIsNoWholeNumber_SpeaksOfNoType(string expected) =>
        Assert.That(Ds2.Bench.Program.InPlainWords(DecoderCommand.Create().Parse(["--lm", "F", "--rounds", "x"]).Errors[0].Message), Is.EqualTo(expected));

    /// <summary>Made-up logits were said to be the checkpoint's.</summary>
    [TestCase(1, "--lm", "F", "--checkpoint", "F")]
    [TestCase(1, "--lm", "F", "--manifest", "F")]
    [TestCase(0, "--lm", "F")]
    [TestCase(0, "--lm", "F", "--checkpoint", "F", "--manifest", "F")]
    public void Parse_OfDecoder_CheckpointAndManifestGoTogether(int errors, params string[] arguments) =>
        Assert.That(DecoderCommand.Create().Parse(arguments).Errors, Has.Count.EqualTo(errors));

    /// <summary>The kinds of features have the names here that they have everywhere.</summary>
    [TestCase("mfcc-raw", 0)]
    [TestCase("fbank80", 0)]
    [TestCase("MfccRaw", 1)]
    public void Parse_OfLoader_TakesFeaturesByTheirNames(string name, int errors) =>
        Assert.That(LoaderCommand.Create().Parse(["--manifest", "F", "--features", name]).Errors, Has.Count.EqualTo(errors));

    [Test]
    public void Parse_Numbers_AreThose()
    {
        var one = new Option<double>("--one") { CustomParser = NumberOptions.One, DefaultValueFactory = _ => 7 };
        var none = new Option<double?>("--none") { CustomParser = NumberOptions.OneOrNone };
        var all = new Option<double[]>("--all") { CustomParser = NumberOptions.All, AllowMultipleArgumentsPerToken = true };
        var command = new Command("test") { one, none, all };
        ParseResult parsed = command.Parse(["--all", "5", "1.5e1"]);
        Assert.That((parsed.GetValue(one), parsed.GetValue(none)), Is.EqualTo((7.0, (double?)null)));
        Assert.That(parsed.GetValue(all), Is.EqualTo(new[] { 5, 15.0 }));
        parsed = command.Parse(["--one", "2.5", "--none", "-0.5"]);
        Assert.That((parsed.GetValue(one), parsed.GetValue(none)), Is.EqualTo((2.5, (double?)-0.5)));
    }
}
