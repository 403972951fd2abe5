using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Distributed;

namespace Ds2.Bench.Distributed;

/// <summary><c>exchange</c>: under a launcher of MPI, how long ranks take to add up their gradients, take a step and have the new parameters, beside the library's own MPI_Allreduce of gradients; every sum is checked.</summary>
internal static class ExchangeCommand
{
    private const int Wrong = 1, Bytes = sizeof(float), Million = 1_000_000;

    public static Command Create()
    {
        var megabytes = new Option<int>("--megabytes") { Description = "of gradients", DefaultValueFactory = _ => 415 };
        var rounds = new Option<int>("--rounds") { Description = "turns of each", DefaultValueFactory = _ => 7 };
        var piece = new Option<double>("--piece") { CustomParser = NumberOptions.One, Description = "megabytes under way at once", DefaultValueFactory = _ => 4 };
        var mpi = new Option<string>("--mpi") { Description = "auto, none, or a library's file", DefaultValueFactory = _ => Mpi.Auto };
        var timeout = new Option<double>("--timeout") { CustomParser = NumberOptions.One, Description = "seconds that a rank waits for the others", DefaultValueFactory = _ => 60 };
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var fault = new Option<Fault>("--fault") { Description = "what the last rank does after the first turn", Hidden = true };
        var command = new Command("exchange", "Gradients of all ranks added up, a step on each share, new parameters to all: beside MPI_Allreduce of the gradients. Exit code 1 where a sum is wrong.") { megabytes, rounds, piece, mpi, timeout, json, fault };
        command.SetAction(parsed =>
        {
            int length = InRange(megabytes.Name, parsed.GetValue(megabytes), 1, 8000) * (Million / Bytes);
            int turns = (int)InRange(rounds.Name, parsed.GetValue(rounds), 1, 1000);
            int pieceLength = (int)(InRange(piece.Name, parsed.GetValue(piece), 0.001, 2000) * (Million / Bytes));
            var limit = TimeSpan.FromSeconds(InRange(timeout.Name, parsed.GetValue(timeout), 0.1, 86400));
            using ICommunicator communicator = Mpi.Open(parsed.GetValue(mpi)!, limit);
            try
            {
                using var benchmark = new ExchangeBenchmark(communicator, length, pieceLength, parsed.GetValue(fault));
                return benchmark.Run(turns, parsed.GetValue(json));
            }
            catch (Exception exception)
            {
                Console.Error.WriteLine($"ds2: {exception.Message.ReplaceLineEndings(" ")}");
                communicator.Abort(Wrong);
                throw;
            }
        });
        return command;
    }

    private static T InRange<T>(string name, T value, T least, T most)
        where T : IComparable<T> =>
        value.CompareTo(least) >= 0 && value.CompareTo(most) <= 0 ? value : throw new InputException($"{name} {value}: must be between {least} and {most}");
}
