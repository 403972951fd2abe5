using System.Globalization;
using Ds2.Runtime.Evaluation;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary>What came out of the tuning of a language model.</summary>
/// <param name="Greedy">Error rates of greedy decoding.</param>
/// <param name="Plain">Those of the beam without the model.</param>
/// <param name="Best">The best trial.</param>
/// <param name="Unknown">The share of the words said that the model does not have.</param>
internal sealed record TuningResult(ErrorRates Greedy, ErrorRates Plain, FusionTrial Best, double Unknown)
{
    /// <summary>What to do where the language model does not help; null where it does.</summary>
    public string? Note => Best.Rates.Wer < Math.Min(Greedy.Wer, Plain.Wer) ? null
        : Plain.Wer < Greedy.Wer ? $"the language model does not help; beam search alone does: use --beam {Best.Options.Width} without --lm"
        : Best.Rates.Wer > Greedy.Wer ? "greedy is better than all of these: use none of these options"
        : "nothing is better than greedy: use none of these options";

    /// <summary>The last line for people: the options to paste, or <see cref="Note"/>.</summary>
    /// <param name="model">The language model's file.</param>
    /// <param name="others">The options that were given to the tuning and hold for its result, each with its value.</param>
    public string Advice(string model, IEnumerable<(string Name, string Value)> others) => Note
        ?? string.Create(CultureInfo.InvariantCulture, $"use: --lm {ShellText.Quote(model)} --alpha {Best.Options.Alpha} --beta {Best.Options.Beta}{string.Concat(others.Select(option => $" {option.Name} {ShellText.Quote(option.Value)}"))}");
}
