using System.CommandLine;
using System.CommandLine.Parsing;
using Ds2.Runtime;
using Ds2.Runtime.Distributed;
using Ds2.Train.Commands;
using Ds2.Train.Reporting;

namespace Ds2.Train;

/// <summary>The command line: <c>dotnet run --project Ds2.Train -- COMMAND</c>.</summary>
internal static class Program
{
    internal static int Main(string[] args)
    {
        Mpi.QuietConsole();

        // Output that fails must not end what runs. What is printed of such a failure may fail in turn; then nobody is there to hear of it.
        var errors = new TolerantWriter(Console.Error, _ => { });
        var output = new TolerantWriter(Console.Out, exception => errors.WriteLine($"ds2: stdout: {exception.Message}: what cannot be printed is left out"));
        Console.SetError(errors);
        Console.SetOut(output);
        ParseResult parsed = CommandLine.Create().Parse(args);
        int code = Run(parsed);
        // Of a run the files are what counts; of the other commands, what they print.
        return code == 0 && output.Failed && !Trains(parsed) ? Failure.Failed : code;
    }

    private static bool Trains(ParseResult parsed) => parsed.CommandResult.Command is RootCommand or { Name: "train" };

    /// <summary>A command with those that it belongs to: data download.</summary>
    private static string NameOf(ParseResult parsed)
    {
        string name = parsed.CommandResult.Command.Name;
        for (var parent = parsed.CommandResult.Parent as CommandResult; parent is { Command: not RootCommand }; parent = parent.Parent as CommandResult)
            name = $"{parent.Command.Name} {name}";
        return name;
    }

    private static int Run(ParseResult parsed)
    {
        string[] empty = [.. CommandLine.EmptyValues(parsed)], faults = empty.Length > 0 ? empty : [.. parsed.Errors.Select(error => error.Message)];
        if (faults.Length > 0)
        {
            foreach (string error in faults)
                Console.Error.WriteLine($"ds2: {error.ReplaceLineEndings(" ")}");
            Console.Error.WriteLine("ds2: --help lists commands and options");
            return Failure.BadInput;
        }

        if (Mpi.LaunchedRanks is > 1 and var ranks && !Trains(parsed))
            return Failure.Report(new InputException($"{NameOf(parsed)}: {ranks} processes would all do the same: ranks share the work of train alone; start this without a launcher"));

        // Signals are ours: a run finishes its batch and saves.
        var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
        CorpusFaultReport.Begin();
        try
        {
            return parsed.Invoke(configuration);
        }
        catch (Exception exception)
        {
            return Failure.Report(exception);
        }
    }
}
