using System.CommandLine;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>lm tune</c>: how much a language model should count with a checkpoint.</summary>
internal static class LmTuneCommand
{
    public static Command Create()
    {
        var recognition = new CorpusRecognition("utterances that neither the checkpoint nor the language model was trained on: lines 'audio path,text path'");
        var lm = new Option<string>("--lm") { Description = "the n-gram model, ARPA or compiled", Required = true, HelpName = "FILE" };
        var decoding = new DecodingArguments();
        Option<bool> json = CommandLine.Json();
        var command = new Command("tune", "Finds the --alpha and --beta with which a language model helps most, and says what it is like without.");
        foreach (Option option in (Option[])[.. recognition.Required, lm, .. recognition.Others, json, .. decoding.OptionsOfTuning])
            command.Options.Add(option);
        command.SetAction(parsed =>
        {
            using var interruption = new Interruption("stopping, without a result");
            using ModelFile file = recognition.Open(parsed);
            Alphabet alphabet = file.Description.Alphabet;
            HotWords? hotWords = decoding.HotWordsOf(parsed, alphabet);
            using LanguageModel model = DecodingArguments.OpenModel(parsed.GetRequiredValue(lm), alphabet, interruption.Token);
            Corpus corpus = recognition.Load(parsed, file, interruption.Token);
            var kept = new KeptLogits(new GreedyDecoder(alphabet));
            EvaluationResult greedy = WorkReport.Run(progress =>
            {
                using IWorkItem work = progress.Begin("recognizing", corpus.Utterances.Count, WorkUnit.Items);
                int before = 0;
                return recognition.Run(parsed, file, corpus, kept, null, done =>
                {
                    work.Advance(done - before);
                    before = done;
                }, interruption.Token).Result;
            });
            var tuner = new FusionTuner(alphabet, model, hotWords, [.. greedy.Transcripts.Select((transcript, i) => (kept.Utterances[i], transcript.Reference))]) { Threads = CommandLine.ThreadsOf(recognition.ThreadsOf(parsed)) };
            BeamOptions basis = decoding.BeamOptions(parsed);
            ErrorRates plain = tuner.RatesOf(basis, withModel: false, interruption.Token);
            FusionTrial best = WorkReport.Run(progress =>
            {
                using IWorkItem work = progress.Begin("trying alpha and beta", null, WorkUnit.Items);
                return tuner.Run(basis, _ => work.Advance(1), interruption.Token);
            });
            var result = new TuningResult(greedy.Rates, plain, best, UnknownShare(model, greedy.Transcripts, alphabet));
            if (parsed.GetValue(json))
                WriteJson(result, tuner);
            else
                Write(result, parsed.GetRequiredValue(lm), parsed);
            return 0;
        });
        return command;

        void Write(TuningResult result, string lmPath, ParseResult parsed)
        {
            Row("greedy", result.Greedy);
            Row($"beam {result.Best.Options.Width} without a model", result.Plain);
            Row(Invariant($"alpha {result.Best.Options.Alpha}, beta {result.Best.Options.Beta}"), result.Best.Rates);
            Console.WriteLine(Invariant($"{100 * result.Unknown:F1} % of the words that were said are unknown to the language model"));
            Console.WriteLine(result.Advice(lmPath, decoding.OptionsOfTuning.Where(option => parsed.GetResult(option) is { Implicit: false }).Select(option => (option.Name, parsed.GetResult(option)!.Tokens[^1].Value))));
        }
    }

    /// <summary>The share of the reference's words that the model does not have: where it is large, case or spelling is not the alphabet's.</summary>
    private static double UnknownShare(LanguageModel model, IReadOnlyList<Transcript> transcripts, Alphabet alphabet)
    {
        string[] words = [.. transcripts.SelectMany(transcript => alphabet.WordsOf(transcript.Reference))];
        return words.Length == 0 ? 0 : (double)words.Count(word => model.WordId(word) == 0) / words.Length;
    }

    private static void Row(string name, ErrorRates rates) => Console.WriteLine(Invariant($"{name,-32} WER {rates.Wer:F2} %, CER {rates.Cer:F2} %"));

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static void WriteJson(TuningResult result, FusionTuner tuner)
    {
        foreach (FusionTrial trial in tuner.Trials)
            JsonLines.Write(new { Event = "trial", trial.Options.Alpha, trial.Options.Beta, trial.Rates.Wer, trial.Rates.Cer });
        JsonLines.Write(new
        {
            Event = "result",
            Greedy = new { result.Greedy.Wer, result.Greedy.Cer },
            Beam = new { result.Plain.Wer, result.Plain.Cer },
            Tuned = new { result.Best.Options.Alpha, result.Best.Options.Beta, result.Best.Rates.Wer, result.Best.Rates.Cer },
            UnknownWords = result.Unknown,
            result.Note,
        });
    }
}
