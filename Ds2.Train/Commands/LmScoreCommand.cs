using System.CommandLine;
using System.Globalization;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>lm score</c>: how well a model predicts a text.</summary>
internal static class LmScoreCommand
{
    public static Command Create()
    {
        var lm = new Option<string>("--lm") { Description = "an ARPA file or a compiled model", Required = true, HelpName = "FILE" };
        var text = new Option<string[]>("--text") { Description = "UTF-8 files, gzip or not, a sentence a line; - for standard input", Required = true, HelpName = "FILE…", AllowMultipleArgumentsPerToken = true };
        Option<bool> json = CommandLine.Json();
        var command = new Command("score", "Perplexity of a text, with and without the words that the model does not have.") { lm, text, json };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(lm), parsed.GetRequiredValue(text), parsed.GetValue(json)));
        return command;
    }

    private static int Run(string lm, string[] texts, bool json)
    {
        Perplexity result = LmCommand.Run("stopping, without a result", progress =>
        {
            using LanguageModel model = LanguageModel.Open(lm, progress);
            return Perplexity.Of(model, texts, progress);
        });
        if (json)
        {
            JsonLines.Write(new
            {
                Event = "score",
                result.Sentences,
                result.Words,
                result.UnknownWords,
                result.Tokens,
                result.Log10Probability,
                PerplexityIncludingUnknown = result.IncludingUnknown,
                PerplexityExcludingUnknown = result.ExcludingUnknown,
            });
            return 0;
        }
        Row("sentences", $"{result.Sentences}");
        Row("words", $"{result.Words}");
        Row("unknown words", $"{result.UnknownWords} ({100.0 * result.UnknownWords / Math.Max(1, result.Words):F2} %)");
        Row("tokens", $"{result.Tokens}, the ends of sentences among them");
        Row("log10 probability", $"{result.Log10Probability:F4}");
        Row("perplexity", $"{result.IncludingUnknown:F4} including unknown words, {result.ExcludingUnknown:F4} without them");
        return 0;
    }

    private static void Row(string name, FormattableString value) => Console.WriteLine($"{name,-18} {value.ToString(CultureInfo.InvariantCulture)}");
}
