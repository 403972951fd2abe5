using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Ds2.Bench.Step;
using Ds2.Runtime;
using Ds2.Runtime.Distributed;

namespace Ds2.Bench.Distributed;

/// <summary><c>scaling</c>: under a launcher of MPI, training steps of one rank, of all ranks each for itself, and of all ranks together, in turns.</summary>
internal static class ScalingCommand
{
    private const int Wrong = 1;
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "turns of each", DefaultValueFactory = _ => 5 };
        var mpi = new Option<string>("--mpi") { Description = "auto, none, or a library's file", DefaultValueFactory = _ => Mpi.Auto };
        var timeout = new Option<double>("--timeout") { CustomParser = NumberOptions.One, Description = "seconds that a rank waits for the others", DefaultValueFactory = _ => 600 };
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("scaling", "Training steps of one rank, of all ranks each for itself, and of all together: efficiency, and how far the exchange hides behind the computation.") { rounds, mpi, timeout, json };
        Func<ParseResult, StepOptions> read = StepOptions.AddTo(command);
        command.SetAction(parsed =>
        {
            StepOptions options = read(parsed);
            if (parsed.GetValue(rounds) < 1)
                throw new InputException($"--rounds {parsed.GetValue(rounds)}: must be at least 1");
            using ICommunicator communicator = Mpi.Open(parsed.GetValue(mpi)!, TimeSpan.FromSeconds(parsed.GetValue(timeout)));
            try
            {
                using var measurement = new ScalingMeasurement(options, communicator);
                ScalingTimes[] turns = [.. Enumerable.Range(0, parsed.GetValue(rounds)).Select(round => measurement.Run(round, options.Steps))];
                if (communicator.Rank == 0)
                    Console.WriteLine(Result.From(turns, options, communicator.Ranks, measurement.Bytes) is var result && parsed.GetValue(json) ? JsonSerializer.Serialize(result, Json) : result.ToText());
                return 0;
            }
            catch (Exception exception)
            {
                Console.Error.WriteLine($"ds2: rank {communicator.Rank} on {communicator.Host}: {exception.Message.ReplaceLineEndings(" ")}");
                communicator.Abort(Wrong);
                throw;
            }
        });
        return command;
    }

    /// <summary>Medians over the rounds; ratios are of neighbouring turns, which had the machine as it was then.</summary>
    private sealed record Result(
        int Ranks, ScalingTimes Seconds, double AudioSecondsAStep, double Efficiency, double EfficiencyApart, double LostToExchange, double OverLonger, long ParameterBytes, long OptimizerStateBytes, long PeakRssBytes)
    {
        public static Result From(ScalingTimes[] turns, StepOptions options, int ranks, (long Parameters, long State) bytes)
        {
            return new Result(
                ranks,
                new ScalingTimes(Median(turn => turn.Alone), Median(turn => turn.Apart), Median(turn => turn.Together), Median(turn => turn.Exchange)),
                options.AudioSeconds, Median(turn => turn.Alone / turn.Together), Median(turn => turn.Alone / turn.Apart), Median(turn => 1 - turn.Apart / turn.Together),
                Median(turn => turn.Together / Math.Max(turn.Apart, turn.Exchange)), bytes.Parameters, bytes.State, Process.GetCurrentProcess().PeakWorkingSet64)
            {
                Turns = turns,
            };

            double Median(Func<ScalingTimes, double> of) => turns.Select(of).Median();
        }

        public ScalingTimes[] Turns { get; private init; } = [];

        public string ToText() => string.Join('\n', [
            $"{Ranks} ranks, {ParameterBytes / 1e6:F0} MB of parameters, {OptimizerStateBytes / 1e6:F0} MB of optimiser state on rank 0, {PeakRssBytes / 1e6:F0} MB resident at most (two models); medians of {Turns.Length} turns, times of the slowest rank",
            MarkdownTable.Of([
                ["a step of", "ms", "least ms", "seconds of speech a second"],
                Row("one rank, the others asleep", turn => turn.Alone, 1), Row("all ranks, each for itself", turn => turn.Apart, Ranks), Row("all ranks together", turn => turn.Together, Ranks),
                Row("the exchange by itself", turn => turn.Exchange, 0)]),
            $"efficiency {Efficiency:F3} of {Ranks} times one rank's; each for itself, {EfficiencyApart:F3}; lost to the exchange {100 * LostToExchange:F1} %",
            $"a step together takes {OverLonger:F2} of the longer of a step for itself and the exchange"]);

        private string[] Row(string name, Func<ScalingTimes, double> of, int computing)
        {
            double seconds = Turns.Select(of).Median();
            return [name, $"{1000 * seconds:F1}", $"{1000 * Turns.Min(of):F1}", computing == 0 ? "-" : $"{computing * AudioSecondsAStep / seconds:F1}"];
        }
    }
}
