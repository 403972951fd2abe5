using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Training;
using Ds2.Train.Commands;

namespace Ds2.Train;

/// <summary>The command line: <c>dotnet run --project Ds2.Train -- COMMAND</c>.</summary>
internal static class Program
{
    private const int Failed = 1;
    private const int BadInput = 2;
    private const int Interrupted = 130;

    internal static int Main(string[] args)
    {
        RootCommand root = CommandLine.Create();
        ParseResult parsed = root.Parse(args);
        string[] empty = [.. CommandLine.EmptyValues(parsed)], errors = empty.Length > 0 ? empty : [.. parsed.Errors.Select(error => error.Message)];
        if (errors.Length > 0)
        {
            foreach (string error in errors)
                Console.Error.WriteLine($"ds2: {error.ReplaceLineEndings(" ")}");
            Console.Error.WriteLine("ds2: --help lists commands and options");
            return BadInput;
        }

        // Signals are ours: a run finishes its batch and saves.
        var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
        try
        {
            return parsed.Invoke(configuration);
        }
        catch (InputException exception)
        {
            return Report(exception.Message, BadInput);
        }
        catch (OperationCanceledException)
        {
            return Report("interrupted", Interrupted);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return Report(exception.Message, BadInput);
        }
        catch (Exception exception) when (exception is OutOfMemoryException or HttpRequestException or DivergenceException)
        {
            return Report(exception.Message, Failed);
        }
        catch (Exception exception)
        {
            // A fault of the program: whoever mends it needs the trace.
            Console.Error.WriteLine($"ds2: {exception}");
            return Failed;
        }
    }

    private static int Report(string message, int code)
    {
        Console.Error.WriteLine($"ds2: {message.ReplaceLineEndings(" ")}");
        return code;
    }
}
