using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Recognition;
using Ds2.Tests.Data;
using Ds2.Train.Transcripts;

namespace Ds2.Tests.Transcripts;

/// <summary>NIST's sclite reads the ctm, and counts the errors that <see cref="ErrorRates"/> counts.</summary>
public sealed partial class ScliteTests
{
    /// <summary>Odd words among plain ones; no {, which begins alternatives in a reference.</summary>
    private static readonly string[] Vocabulary = ["ONE", "TWO", "THREE", "FOUR", "DON'T", "ŻÓŁW", "X;Y", "A\\B", "@", "<ALT>", "(OH)", "a/b", "\"Q\"", "*", "%", "#1", "-"];

    [TestCase(true)]
    [TestCase(false)]
    public void ErrorRate_IsOurs(bool times)
    {
        var random = new Random(3);
        var rates = new ErrorRates();
        var reference = new StringBuilder();
        var hypothesis = new StringBuilder();
        for (int file = 0; file < 3; file++)
        {
            var segments = new List<Segment>();
            for (int i = 0; i < 30; i++)
            {
                string[] said = [.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => Vocabulary[random.Next(Vocabulary.Length)])];
                string[] heard = [.. said.SelectMany(word => Heard(word, random))];
                double start = 10 * i + 1, width = 8.0 / Math.Max(heard.Length, 1);
                string[] written = [.. said.Select(CtmWriter.Text)];
                reference.Append(CultureInfo.InvariantCulture, $"talks_of/{file} 1 speaker {start - 0.5:F2} {start + 8.5:F2} {string.Join(' ', written)}\n");
                rates.Add(string.Join(' ', said), string.Join(' ', heard));
                if (heard.Length > 0)
                {
                    segments.Add(new Segment(
                        start, start + 8, string.Join(' ', heard),
                        times ? [.. heard.Select((word, k) => new TimedWord(word, start + k * width, start + (k + 0.9) * width, 0.5))] : [], []));
                }
            }

            hypothesis.Append(new Transcription($"folder/talks of/{file}.wav", 300, " ", segments).Written("ctm", name: $"talks of/{file}"));
        }

        (int errors, int words) = Score(reference.ToString(), hypothesis.ToString());
        Assert.That(rates.Wer, Is.InRange(5, 40));
        Assert.That(100.0 * errors / words, Is.EqualTo(rates.Wer).Within(1e-9));
    }

    /// <summary>Errors four words apart, so that there is but one alignment that makes sense: sclite's lists of substitutions, deletions and insertions are ours.</summary>
    [Test]
    public void Confusions_AreOurs()
    {
        var random = new Random(6);
        var transcripts = new List<Transcript>();
        var reference = new StringBuilder();
        var hypothesis = new StringBuilder();
        for (int i = 0; i < 40; i++)
        {
            string[] said = [.. Enumerable.Range(0, 24).Select(place => $"W{place % 4}{random.Next(3)}")];
            string[] heard = [.. said.SelectMany((word, place) => place % 4 != 1 ? [word] : random.Next(4) switch { 0 => [], 1 => [word, "ELSE"], 2 => ["OTHER"], _ => new[] { word } })];
            reference.Append(CultureInfo.InvariantCulture, $"talk 1 speaker {100 * i} {100 * i + 90} {string.Join(' ', said)}\n");
            hypothesis.Append(string.Concat(heard.Select((word, k) => string.Create(CultureInfo.InvariantCulture, $"talk 1 {100 * i + 1 + k} 0.5 {word}\n"))));
            transcripts.Add(new Transcript($"{i}", string.Join(' ', said), string.Join(' ', heard), "/talk.wav"));
        }

        using var folder = new TempFolder();
        (int code, string output) = Readers.Run(
            "sctk", "sclite (Debian package sctk)",
            "sclite", "-r", folder.Write("r.stm", reference.ToString()), "stm", "-h", folder.Write("h.ctm", hypothesis.ToString()), "ctm", "-e", "utf-8", "-s", "-o", "dtl", "stdout");
        Assert.That(code, Is.Zero, output);
        IReadOnlyList<Confusion> words = ErrorDetails.Of(transcripts).Words;
        foreach ((string title, string kind) in new[] { ("CONFUSION PAIRS", "substitution"), ("INSERTIONS", "insertion"), ("DELETIONS", "deletion") })
        {
            string section = output[output.IndexOf(title, StringComparison.Ordinal)..];
            string[] listed = [.. ConfusionPattern().Matches(section[..section.IndexOf("-------", StringComparison.Ordinal)]).Select(match => $"{match.Groups[1].Value} {match.Groups[2].Value}")];
            Assert.That(listed, Is.Not.Empty, kind);
            Assert.That(
                words.Where(word => word.Kind == kind).Select(word => $"{word.Count} {string.Join(" ==> ", new[] { word.Said, word.Heard }.OfType<string>())}"), Is.EquivalentTo(listed), kind);
        }
    }

    [Test]
    public void Silence_IsAllDeletions() => Assert.That(Score("silence 1 speaker 0 3 ONE TWO\n", Samples.Silence.Written("ctm")), Is.EqualTo((2, 2)));

    /// <summary>Errors that stand apart from each other: sclite weighs a substitution 4 and the others 3, so that among errors side by side it may find another alignment than the shortest.</summary>
    private static string[] Heard(string word, Random random) => random.Next(30) switch
    {
        0 => [],
        1 => [word, "ONE"],
        2 => ["ELSE"],
        _ => [word],
    };

    private static (int Errors, int Words) Score(string reference, string hypothesis)
    {
        using var folder = new TempFolder();
        (int code, string output) = Readers.Run(
            "sctk", "sclite (Debian package sctk)",
            "sclite", "-r", folder.Write("r.stm", reference), "stm", "-h", folder.Write("h.ctm", hypothesis), "ctm", "-e", "utf-8", "-s", "-o", "rsum", "stdout");
        Match sum = SumPattern().Match(output);
        Assert.That(code == 0 && sum.Success, output);
        return (int.Parse(sum.Groups[2].Value, CultureInfo.InvariantCulture), int.Parse(sum.Groups[1].Value, CultureInfo.InvariantCulture));
    }

    /// <summary>Rank, count, word or said ==> heard.</summary>
    [GeneratedRegex(@"^\s+\d+:\s+(\d+)\s+->\s+(.+?)\s*$", RegexOptions.Multiline)]
    private static partial Regex ConfusionPattern();

    /// <summary>Sum | sentences, words | correct, substituted, deleted, inserted, errors.</summary>
    [GeneratedRegex(@"\| Sum\s*\|\s*\d+\s+(\d+)\s*\|\s*\d+\s+\d+\s+\d+\s+\d+\s+(\d+)")]
    private static partial Regex SumPattern();
}
