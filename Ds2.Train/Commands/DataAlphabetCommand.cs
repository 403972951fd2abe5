using System.CommandLine;
using System.Globalization;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>data alphabet</c>: what the transcripts of data sets are written with, as an alphabet for <c>train --alphabet</c>.</summary>
internal static class DataAlphabetCommand
{
    private const int MostUnwritable = 5;

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
        CommandLine.RequireApartFromData("--out", output, manifests);
        using var interruption = new Interruption("stopping, without an alphabet");
        var survey = new AlphabetSurvey(letterCase);
        foreach (string manifest in manifests)
            WorkReport.RunBriefly(progress => TranscriptSurvey.Add(manifest, survey, progress, interruption.Token));
        Alphabet alphabet = survey.ToAlphabet(leastCount);
        AlphabetFile.Write(output, alphabet);
        foreach ((string character, long count) in survey.Counts)
        {
            string fate = character != " " && AlphabetSurvey.IsSilent(character) ? ", left out: no sound of its own" : count < leastCount && character != " " ? ", left out: too rare" : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(character == " " ? "space" : character),5} {count,9} times  {Codes(character)}{fate}"));
        }
        NoteUnwritable(survey);

        Console.WriteLine($"{output}: {alphabet.Size} labels, the blank among them, of {survey.Texts} texts");
        return 0;
    }

    /// <summary>Says what stands in the transcripts and in no alphabet: the transcripts are to be mended, not the alphabet.</summary>
    private static void NoteUnwritable(AlphabetSurvey survey)
    {
        if (survey.UnwritableIn is not { } example)
            return;
        string shown = string.Join(", ", survey.Unwritable.Take(MostUnwritable).Select(found => string.Create(CultureInfo.InvariantCulture, $"{Codes(found.Character)} ({found.Count})")));
        string more = survey.Unwritable.Count > MostUnwritable ? ", …" : "";
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"ds2: {survey.Unwritable.Sum(found => found.Count)} characters are left out, as no label can be made of them: {shown}{more}; first in {example}"));
    }

    private static string Codes(string character) => string.Join(' ', character.EnumerateRunes().Select(rune => $"U+{rune.Value:X4}"));

    private static LetterCase CaseOf(string name) => name switch
    {
        "upper" => LetterCase.Upper,
        "lower" => LetterCase.Lower,
        _ => LetterCase.AsWritten,
    };
}
