using System.CommandLine;
using System.Globalization;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>data alphabet</c>: what the transcripts of data sets are written with, as an alphabet for <c>train --alphabet</c>.</summary>
internal static class DataAlphabetCommand
{
    public static Command Create()
    {
        var manifests = new Option<string[]>("--manifest") { Description = "the data sets whose transcripts are counted", Required = true, HelpName = "FILE", AllowMultipleArgumentsPerToken = true };
        var output = new Option<string>("--out") { Description = "where the alphabet goes: a JSON array of labels, the blank first", DefaultValueFactory = _ => "alphabet.json", HelpName = "FILE" };
        var letterCase = new Option<string>("--case") { Description = "what becomes of capital and small letters", DefaultValueFactory = _ => "keep", HelpName = "keep|upper|lower" };
        letterCase.AcceptOnlyFromAmong("keep", "upper", "lower");
        Option<int> leastCount = CommandLine.Bounded("--min-count", "leave out what occurs less often", 1, 1);
        var command = new Command("alphabet", "Makes an alphabet of the characters that transcripts are written with, and says how often each occurs.") { manifests, output, letterCase, leastCount };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(manifests), parsed.GetRequiredValue(output), CaseOf(parsed.GetRequiredValue(letterCase)), parsed.GetValue(leastCount)));
        return command;
    }

    private static int Run(string[] manifests, string output, LetterCase letterCase, int leastCount)
    {
        CommandLine.RequireApart("--out", output, manifests);
        using var interruption = new Interruption("stopping, without an alphabet");
        var survey = new AlphabetSurvey(letterCase);
        foreach (string manifest in manifests)
            WorkReport.RunBriefly(progress => TranscriptSurvey.Add(manifest, survey, progress, interruption.Token));
        Alphabet alphabet = survey.ToAlphabet(leastCount);
        AlphabetFile.Write(output, alphabet);
        foreach ((string character, long count) in survey.Counts)
        {
            string fate = character != " " && AlphabetSurvey.IsSilent(character) ? ", left out: no sound of its own" : count < leastCount && character != " " ? ", left out: too rare" : "";
            string codes = string.Join(' ', character.EnumerateRunes().Select(rune => $"U+{rune.Value:X4}"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(character == " " ? "space" : character),5} {count,9} times  {codes}{fate}"));
        }

        Console.WriteLine($"{output}: {alphabet.Size} labels, the blank among them, of {survey.Texts} texts");
        return 0;
    }

    private static LetterCase CaseOf(string name) => name switch
    {
        "upper" => LetterCase.Upper,
        "lower" => LetterCase.Lower,
        _ => LetterCase.AsWritten,
    };
}
