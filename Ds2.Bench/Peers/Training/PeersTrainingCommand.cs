using System.CommandLine;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Ds2.Runtime;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Training;
using TorchSharp;

namespace Ds2.Bench.Peers.Training;

/// <summary><c>peers-training</c>: the same model trained on the same batches by the same recipe, in Ds2 and in libtorch, in turns, in one process on as many threads.</summary>
internal static class PeersTrainingCommand
{
    private static readonly Option<string> TrainManifest = new("--train-manifest") { Description = "lines 'audio path,text path'", Required = true, HelpName = "FILE" };
    private static readonly Option<string> ValManifest = new("--val-manifest") { Description = "the validation set, likewise", Required = true, HelpName = "FILE" };
    private static readonly Option<int> Threads = new("--threads") { Description = "threads of each; 0 for one per core" };
    private static readonly Option<int?> Epochs = new("--epochs") { Description = "epochs at most" };
    private static readonly Option<double> UntilWer = new("--until-wer") { CustomParser = NumberOptions.One, Description = "the word error rate in percent whose time is asked for; the run ends when both have reached it", DefaultValueFactory = _ => 50 };
    private static readonly Option<bool> AllEpochs = new("--all-epochs") { Description = "trains on to the last epoch after both have reached --until-wer: for the curves" };
    private static readonly Option<int> Stretch = new("--stretch") { Description = "batches of a side's turn", DefaultValueFactory = _ => 50 };
    private static readonly Option<int> EvaluateEvery = new("--evaluate-every") { Description = "batches of an epoch from one evaluation to the next; there is one after each epoch too", DefaultValueFactory = _ => 200 };
    private static readonly Option<int?> MaxBatches = new("--max-batches") { Description = "an epoch ends after N batches: for trials" };
    private static readonly Option<string?> Out = new("--out") { Description = "both curves as tab-separated lines, rewritten after each evaluation", HelpName = "FILE" };
    private static readonly Option<bool> AsJson = new("--json") { Description = "one JSON object" };

    public static Command Create()
    {
        (Option<string> preset, Option<string[]> set) = ModelArguments.Create("cpu");
        var command = new Command("peers-training", "A training run beside libtorch's, on the host: seconds to a word error rate.")
        {
            TrainManifest, ValManifest, preset, set, Threads, Epochs, UntilWer, AllEpochs, Stretch, EvaluateEvery, MaxBatches, Out, AsJson,
        };
        command.SetAction(parsed => Run(parsed, ModelArguments.Read(parsed, preset, set)));
        return command;
    }

    private static void Run(ParseResult parsed, RunOptions options)
    {
        if (parsed.GetValue(Epochs) is { } epochs)
            options = options with { Training = options.Training with { Epochs = AtLeastOne("--epochs", epochs) } };
        RequireComparable(options);
        var turns = new ContestOptions(
            parsed.GetValue(UntilWer), parsed.GetValue(AllEpochs), AtLeastOne("--stretch", parsed.GetValue(Stretch)), AtLeastOne("--evaluate-every", parsed.GetValue(EvaluateEvery)),
            parsed.GetValue(MaxBatches) is { } most ? AtLeastOne("--max-batches", most) : null);
        int threads = parsed.GetValue(Threads) is >= 0 and var asked ? asked : throw new InputException("--threads must be at least 0");
        using var engine = new HostEngine(threads);
        Libtorch.Start(engine.Workers.Threads);

        // In JSON mode standard output is the result's alone.
        TextWriter log = parsed.GetValue(AsJson) ? Console.Error : Console.Out;
        log.WriteLine($"{engine.Name}; libtorch {torch.__version__}, {torch.get_num_threads()} threads");
        using var ours = new Ds2Learner(options, engine);
        using var sets = new TrainingSets(options, parsed.GetRequiredValue(TrainManifest), parsed.GetRequiredValue(ValManifest), ours.Model);
        FirstBatch first = FirstBatch.Compare(options, engine, Padded(sets, ours));
        log.WriteLine(
            $"first batch: losses within {first.Loss:E1}, gradients {first.Gradients:E1}, running statistics {first.Statistics:E1}, logits in recognition {first.Logits:E1}; "
            + $"{sets.Training.UtteranceCount} utterances in {sets.Training.BatchesPerEpoch} batches, {sets.Validation.UtteranceCount} to evaluate, {ours.Model.Parameters.Count:N0} parameters");
        using var theirs = new TorchLearner(options.Training, ours.Model);
        ours.Reserve(sets.Training, sets.Validation);
        Contestant[] sides = [new("ds2", ours), new("libtorch", theirs)];
        new Contest(options.Training, turns, sets, sides[0], sides[1], HasFrames).Run((our, their) =>
        {
            log.WriteLine(
                $"epoch {our.Epoch}, batch {our.Batch}: {our.Seconds:F1} s, loss {our.Loss:F3}, WER {our.Wer:F1}, CER {our.Cer:F1}; "
                + $"libtorch {their.Seconds:F1} s, loss {their.Loss:F3}, WER {their.Wer:F1}, CER {their.Cer:F1}");
            if (parsed.GetValue(Out) is { } path)
                ContestResult.WriteCurves(path, sides);
        });
        var result = new ContestResult(
            engine.Name, torch.__version__, engine.Workers.Threads, turns.Wer, first, sets.PreparationSeconds, SideResult.Of(sides[0], turns.Wer), SideResult.Of(sides[1], turns.Wer));
        Console.WriteLine(parsed.GetValue(AsJson) ? result.ToJson() : result.ToText());

        bool HasFrames(Batch batch) => ours.Model.OutputFrames(batch.MaxFrames) > 0;
    }

    /// <summary>A batch of the first stretch whose utterances differ in length, so that padding is compared too; the first one where there is none.</summary>
    private static Batch Padded(TrainingSets sets, Ds2Learner ours)
    {
        Batch[] batches = [.. sets.Stretch(0, 0, Math.Min(50, sets.Training.BatchesPerEpoch)).Where(batch => batch.Frames.All(frames => ours.Model.OutputFrames(frames) > 0))];
        return batches.Length > 0
            ? batches.FirstOrDefault(batch => batch.Frames.Distinct().Count() > 1) ?? batches[0]
            : throw new InputException($"{sets.Training.UtteranceCount} utterances, and none long enough to compare the two libraries on");
    }

    /// <exception cref="InputException">An option asks for what the other side does not have.</exception>
    private static void RequireComparable(RunOptions options)
    {
        TrainingOptions training = options.Training;
        string? ours = training.Freeze.Length > 0 ? "freeze" : options.Data.Accumulate > 1 ? "accumulate" : training.SkipLossZ > 0 ? "skipLossZ" : training.SkipNormZ > 0 ? "skipNormZ"
            : options.Model.RecurrentPrecision != RecurrentPrecision.Fp32 ? "recurrentPrecision" : null;
        if (ours is not null)
            throw new InputException($"peers-training: {ours} is ours alone, and libtorch's side would train another model; leave it out");
    }

    private static int AtLeastOne(string name, int value) => value >= 1 ? value : throw new InputException($"{name} {value}: must be at least 1");
}
