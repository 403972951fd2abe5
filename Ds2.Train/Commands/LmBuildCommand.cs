using System.CommandLine;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>lm build</c>: a model of text.</summary>
internal static class LmBuildCommand
{
    public static Command Create()
    {
        var text = new Option<string[]>("--text")
        {
            Description = "UTF-8 files, gzip or not, a sentence a line; - for standard input. Words are taken as they are written",
            Required = true,
            HelpName = "FILE…",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<int> order = CommandLine.Bounded("--order", "words of the longest n-grams, 1 to 6", 3, 1);
        var prune = new Option<int[]>("--prune")
        {
            Description = "for 1-grams, 2-grams and so on: leave out those seen so often or less; the last number holds for all longer ones",
            HelpName = "N…",
            AllowMultipleArgumentsPerToken = true,
            CustomParser = result => [.. result.Tokens.Select(token => CommandLine.WholeOf(result, "--prune", token.Value) ?? 0)],
        };
        var fallback = new Option<float[]?>("--discount-fallback")
        {
            Description = "discounts of n-grams counted once, twice and more often, for orders of which the text is too small to compute them (0.5 1 1.5)",
            HelpName = "D1 D2 D3",
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.ZeroOrMore,
            CustomParser = result => [.. result.Tokens.Select(token => (float)(CommandLine.NumberOf(result, "--discount-fallback", token.Value) ?? 0))],
        };
        var output = new Option<string>("--out") { Description = "the model: an ARPA file if it ends in .arpa or .arpa.gz, else compiled", Required = true, HelpName = "FILE" };
        Option<int> bits = LmCommand.Bits("of a compiled model: 8 quantises probabilities and back-offs, 32 keeps them exact");
        var command = new Command("build", "Estimates an interpolated modified Kneser-Ney model, as KenLM's lmplz does, in memory.") { text, order, prune, fallback, output, bits };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(output);
            if (LanguageModelBuilder.IsArpa(path) && parsed.GetResult(bits) is { Implicit: false })
                throw new InputException($"--bits is of the compiled form, and {path} will be an ARPA file: leave it out, or take a name that does not end in .arpa");
            CommandLine.RequireApart("--out", path, parsed.GetRequiredValue(text));
            return Run(parsed.GetRequiredValue(text), new EstimationOptions(parsed.GetValue(order), parsed.GetValue(prune) ?? [],
                parsed.GetValue(fallback) is { Length: > 0 } discounts ? discounts : EstimationOptions.UsualFallback), path, parsed.GetValue(bits));
        });
        return command;
    }

    private static int Run(string[] texts, EstimationOptions options, string output, int bits)
    {
        IReadOnlyList<long> counts = LmCommand.Run(LmCommand.NothingWritten, progress =>
        {
            TextTokens text = LanguageModelBuilder.Read(texts, options, output, bits, progress);
            long bytes = LanguageModelBuilder.MemoryNeeded(text, options, output, bits);
            progress.Note(string.Create(CultureInfo.InvariantCulture, $"{text.Words} words in {text.Sentences} sentences: needs at most {WorkReport.Amount(bytes, WorkUnit.Bytes)} of memory"));
            return LanguageModelBuilder.Build(text, options, output, bits, progress);
        });
        Console.WriteLine($"{output}: {LmCommand.Text(counts)}");
        return 0;
    }
}
