using System.Globalization;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Files;

namespace Ds2.Train.Reporting.RunFolder;

/// <summary>An evaluation's transcripts as tab-separated text: id, word error rate in percent, reference, hypothesis.</summary>
internal static class TranscriptFile
{
    public static void Write(string path, EvaluationResult evaluation) => AtomicFile.Write(path, stream =>
    {
        using var lines = new StreamWriter(stream, leaveOpen: true);
        lines.Write("id\twer\treference\thypothesis\n");
        foreach (Transcript transcript in evaluation.Transcripts)
        {
            lines.Write(string.Create(
                CultureInfo.InvariantCulture, $"{SeparatedValues.Field(transcript.Id, '\t')}\t{Wer(transcript):F2}\t{transcript.Reference}\t{transcript.Hypothesis}\n"));
        }
    });

    /// <summary>An utterance's own word error rate, percent.</summary>
    public static double Wer(Transcript transcript)
    {
        var rates = new ErrorRates();
        rates.Add(transcript.Reference, transcript.Hypothesis);
        return rates.Wer;
    }
}
