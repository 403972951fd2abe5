using System.CommandLine;
using Ds2.Bench;
using Ds2.Bench.Gpu;

namespace Ds2.Tests.Bench;

/// <summary>The benchmarks' options of numbers that need not be whole.</summary>
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
