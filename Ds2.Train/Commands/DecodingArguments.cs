using System.CommandLine;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Files;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Runtime.Text;
using Ds2.Train.Reporting;
using Ds2.Train.Reporting.RunFolder;

namespace Ds2.Train.Commands;

/// <summary>How logits become texts: <c>--lm</c>, <c>--beam</c>, <c>--alpha</c>, <c>--beta</c>, <c>--unknown-penalty</c>, <c>--temperature</c>, <c>--hotwords</c>. Greedy without any of them, unless the checkpoint's run has left a language model.</summary>
internal sealed class DecodingArguments
{
    /// <summary>Prefixes of all searches that run at once: some three gigabytes.</summary>
    internal const int MostPrefixes = 1_000_000;

    private static readonly BeamOptions Defaults = new();

    /// <summary>Values of <c>--lm</c> that are no files, the first one of <c>train</c> alone.</summary>
    private const string OfTranscripts = "transcripts", None = "none";

    private readonly bool trains;
    private readonly Option<string?> model;
    private readonly Option<int?> beam = CommandLine.Whole("--beam", $"beam search over so many prefixes (with a language model or --hotwords {Defaults.Width}; else greedy)", "N", 1, MostPrefixes);
    private readonly Option<double?> alpha = CommandLine.Number("--alpha", $"the weight of the language model's ln P ({Text(Defaults.Alpha)})", "X", 0, 100);
    private readonly Option<double?> beta = CommandLine.Number("--beta", $"added to the score for each word, with --lm ({Text(Defaults.Beta)})", "X", -100, 100);
    private readonly Option<double?> unknown = CommandLine.Number("--unknown-penalty", $"added for each word that the language model does not know ({Text(Defaults.UnknownPenalty)})", "X", -100, 0);
    private readonly Option<double?> temperature = CommandLine.Number("--temperature", "what the logits are divided by, with --lm: above 1, what was heard counts less, and the blank is lowered by what is above 1 (default: by how much the model doubts each utterance)", "X", 0.01, 100);
    private readonly Option<string?> hotWords = new("--hotwords")
    {
        Description = $"words and phrases to favour: one a line, optionally a tab and a boost in nats ({Text(Runtime.Decoding.HotWords.DefaultBoost)})",
        HelpName = "FILE",
    };

    /// <summary>The options.</summary>
    /// <param name="trains">Whether they are <c>train</c>'s, which can make a language model of its training set's transcripts.</param>
    /// <param name="needsModel">Whether they are of a command that does not go without a language model.</param>
    public DecodingArguments(bool trains = false, bool needsModel = false)
    {
        this.trains = trains;
        model = new Option<string?>("--lm")
        {
            Description = trains
                ? "an n-gram model, ARPA or compiled: beam search with it, counted beside greedy decoding; transcripts: one of the training set's own, left as DIR/words.lm, as is done where a preset is chosen for you and no search is asked for (a run that goes on keeps its own); none: not that either"
                : $"an n-gram model, ARPA or compiled: beam search with it (default: {TranscriptModel.FileName} beside the checkpoint{(needsModel ? ")" : ", if there is one); none: without, greedily unless --beam or --hotwords ask for a search")}",
            HelpName = trains ? $"FILE|{OfTranscripts}|{None}" : needsModel ? "FILE" : $"FILE|{None}",
        };
    }

    /// <summary>All of them.</summary>
    public IEnumerable<Option> Options => [model, beam, alpha, beta, unknown, temperature, hotWords];

    /// <summary>Those of a command that has a language model anyway, and searches for alpha and beta.</summary>
    public IEnumerable<Option> OptionsOfTuning => [beam, unknown, temperature, hotWords];

    /// <summary>The files that a command line decodes with, null for each that it does without; and what lies beside the checkpoint for it, even where it is not used this time.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="checkpoint">The model's file.</param>
    public IEnumerable<string?> FilesOf(ParseResult parsed, string checkpoint) => [ModelOf(parsed, checkpoint), FoundBeside(checkpoint), parsed.GetValue(hotWords)];

    /// <summary>The language model that a command line decodes with: the one that it names, else that which a training run has left beside its checkpoints. Null for none.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="checkpoint">The model's file; null where none is there yet.</param>
    public string? ModelOf(ParseResult parsed, string? checkpoint) => parsed.GetValue(model) switch
    {
        None => null,
        OfTranscripts when trains => null,
        null => checkpoint is null ? null : FoundBeside(checkpoint),
        var named => named,
    };

    /// <summary>Where the language model of a checkpoint's run lies, if the run has made one.</summary>
    public static string BesideOf(string checkpoint) => Path.Combine(Path.GetDirectoryName(checkpoint) ?? "", TranscriptModel.FileName);

    /// <summary>The language model of a checkpoint's run: beside it, or beside the file that it is a link to. Null for none; a pipe or a folder of that name is none.</summary>
    public static string? FoundBeside(string checkpoint) =>
        new[] { BesideOf(checkpoint), BesideOf(FileIdentity.WithoutLinks(Path.GetFullPath(checkpoint))) }.FirstOrDefault(FileIdentity.IsFile);

    /// <summary>Whether a command line says how to decode.</summary>
    public bool IsAsked(ParseResult parsed) => parsed.GetValue(model) is not null || parsed.GetValue(beam) is not null || parsed.GetValue(hotWords) is not null;

    /// <summary>Whether it asks for a model of the training set's transcripts.</summary>
    public bool AsksForTranscripts(ParseResult parsed) => trains && parsed.GetValue(model) == OfTranscripts;

    /// <summary>Opens what a command line decodes with; a model of transcripts is still to come.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="alphabet">The labels.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="checkpoint">The model's file; null where none is there yet.</param>
    /// <exception cref="InputException">A file cannot be read, or the options contradict each other.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public Decoding Open(ParseResult parsed, Alphabet alphabet, CancellationToken cancellation, string? checkpoint = null)
    {
        string? path = ModelOf(parsed, checkpoint);
        bool comes = AsksForTranscripts(parsed);
        if (path is null && !comes)
        {
            foreach (Option<double?> option in new[] { alpha, beta, unknown, temperature })
            {
                if (parsed.GetValue(option) is not null)
                    throw new InputException($"{option.Name} says how much a language model counts: give one with --lm{(trains ? $" ({OfTranscripts}: the training set's own)" : "")}");
            }
        }

        HotWords? hot = HotWordsOf(parsed, alphabet);
        return new Decoding(path is null ? null : OpenModel(path, alphabet, cancellation, isNamed: parsed.GetValue(model) is not null), path, hot, BeamOptions(parsed), comes || path is not null || hot is not null || parsed.GetValue(beam) is not null);
    }

    /// <summary>The search's options, the defaults for what was not given.</summary>
    public BeamOptions BeamOptions(ParseResult parsed) => new()
    {
        Width = parsed.GetValue(beam) ?? Defaults.Width,
        Alpha = parsed.GetValue(alpha) ?? Defaults.Alpha,
        Beta = parsed.GetValue(beta) ?? Defaults.Beta,
        Temperature = parsed.GetValue(temperature),
        UnknownPenalty = parsed.GetValue(unknown) ?? Defaults.UnknownPenalty,
    };

    /// <summary>The hot words that a command line names; null for none, as a list without a word has.</summary>
    /// <exception cref="InputException">The file cannot be read.</exception>
    public HotWords? HotWordsOf(ParseResult parsed, Alphabet alphabet) => parsed.GetValue(hotWords) is { } list && HotWords.Load(list, alphabet) is { Count: > 0 } words ? words : null;

    /// <summary>Opens a language model; a large ARPA file takes a while, and says so. A model of words that the alphabet cannot write is said too: it would do nothing but harm.</summary>
    /// <param name="path">The file.</param>
    /// <param name="alphabet">The labels.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="isNamed">Whether the command line names it; else what is said of it says how to do without.</param>
    /// <exception cref="InputException">The file cannot be read, or is none.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static LanguageModel OpenModel(string path, Alphabet alphabet, CancellationToken cancellation, bool isNamed = true)
    {
        string hint = isNamed ? "" : $" (it lies beside the checkpoint; --lm {None} goes without it)";
        LanguageModel model;
        try
        {
            model = WorkReport.RunBriefly(progress => LanguageModel.Open(path, new StoppableProgress(progress, cancellation)));
        }
        catch (InputException exception) when (!isNamed)
        {
            throw new InputException(exception.Message + hint, exception);
        }

        if (VocabularyFit.Of(model, alphabet) is { IsWrong: true } fit)
        {
            string instead = fit.Written.Length > 0 ? $"; it writes {fit.Written}" : "";
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"ds2: {path}: {100.0 * fit.Foreign / fit.Words:F0} % of its words are not written with the checkpoint's alphabet and can never be heard, such as {fit.Example}{instead}{hint}"));
        }

        return model;
    }

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>What a command line decodes with. Owns the language model.</summary>
/// <param name="Model">The language model; null for none.</param>
/// <param name="Path">Its file; null where there is none, or none yet.</param>
/// <param name="HotWords">Words to favour; null for none.</param>
/// <param name="Options">The search's.</param>
/// <param name="IsBeam">Whether there is a search; else the decoder is the greedy one.</param>
internal sealed record Decoding(LanguageModel? Model, string? Path, HotWords? HotWords, BeamOptions Options, bool IsBeam) : IDisposable
{
    /// <summary>A decoder of utterances.</summary>
    /// <param name="alphabet">The labels.</param>
    /// <param name="threads">Threads that search; 0 for one per core. Of wide beams fewer do: each search has prefixes of its own.</param>
    public IDecoder Decoder(Alphabet alphabet, int threads) => IsBeam
        ? new BeamDecoder(alphabet, Options, Model, HotWords, Math.Clamp(DecodingArguments.MostPrefixes / Options.Width, 1, CommandLine.ThreadsOf(threads)))
        : new GreedyDecoder(alphabet);

    /// <summary>A decoder of one live stream.</summary>
    public IPassageDecoder Passage(Alphabet alphabet) => IsBeam ? new BeamPassage(alphabet, Options, Model, HotWords) : new GreedyPassage(alphabet);

    public void Dispose() => Model?.Dispose();
}
