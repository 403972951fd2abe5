using System.CommandLine;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>lm</c>: language models made, compiled and measured.</summary>
internal static class LmCommand
{
    public static Command Create() => new("lm", "Estimate, compile, score and tune n-gram language models.")
    {
        LmBuildCommand.Create(), LmCompileCommand.Create(), LmScoreCommand.Create(), LmTuneCommand.Create(),
    };

    /// <summary>What the user hears when work ends that writes a model.</summary>
    public const string NothingWritten = "stopping, nothing is written";

    /// <summary><c>--bits</c>.</summary>
    public static Option<int> Bits(string description)
    {
        var bits = new Option<int>("--bits") { Description = description, DefaultValueFactory = _ => 8, HelpName = "8|32" };
        bits.AcceptOnlyFromAmong("8", "32");
        return bits;
    }

    /// <summary>Runs work, shows how it goes on, and ends it where a signal comes.</summary>
    /// <param name="stopping">What the user hears when it ends so.</param>
    /// <param name="work">The work.</param>
    public static T Run<T>(string stopping, Func<IWorkProgress, T> work)
    {
        using var interruption = new Interruption(stopping);
        return WorkReport.RunBriefly(progress => work(new StoppableProgress(progress, interruption.Token)));
    }

    /// <summary>N-grams of each order, for people.</summary>
    public static string Text(IReadOnlyList<long> counts) =>
        string.Join(", ", counts.Select((count, index) => string.Create(CultureInfo.InvariantCulture, $"{count} {index + 1}-grams")));
}
