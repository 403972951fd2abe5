using System.Globalization;
using Ds2.Runtime.Data;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Files;
using Ds2.Runtime.Text;

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
                CultureInfo.InvariantCulture, $"{SeparatedValues.Field(transcript.Id, '\t')}\t{Wer(transcript, evaluation.Alphabet):F2}\t{transcript.Reference}\t{transcript.Hypothesis}\n"));
        }
    });

    /// <summary>An evaluation as far as its file tells of it: losses and a second decoder's rates are not in there.</summary>
    /// <param name="path">The file; it need not be there.</param>
    /// <param name="corpus">What was evaluated; the file is in its order.</param>
    /// <returns>Null where there is no such file, or it is of other utterances.</returns>
    public static EvaluationResult? Read(string path, Corpus corpus)
    {
        string[] lines = File.Exists(path) ? File.ReadAllLines(path) : [];
        if (lines.Length != corpus.Utterances.Count + 1)
            return null;
        var rates = new ErrorRates(corpus.Alphabet);
        var transcripts = new List<Transcript>();
        foreach ((string line, Utterance utterance) in lines.Skip(1).Zip(corpus.Utterances))
        {
            string id = utterance.Id, text = utterance.Text, start = SeparatedValues.Field(id, '\t') + '\t';
            if (!line.StartsWith(start, StringComparison.Ordinal) || line[start.Length..].Split('\t') is not [_, var reference, var hypothesis] || reference != text)
                return null;
            rates.Add(text, hypothesis);
            transcripts.Add(new Transcript(id, text, hypothesis, utterance.AudioPath));
        }

        return new EvaluationResult(rates, transcripts, new LossTotal(), corpus.Alphabet);
    }

    /// <summary>An utterance's own word error rate, percent.</summary>
    public static double Wer(Transcript transcript, Alphabet alphabet)
    {
        var rates = new ErrorRates(alphabet);
        rates.Add(transcript.Reference, transcript.Hypothesis);
        return rates.Wer;
    }
}
