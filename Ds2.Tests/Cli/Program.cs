using System.Diagnostics;
using Spectre.Console;

namespace Ds2.Tests.Cli;

/// <summary>The program: within the tests' process, or as one of its own.</summary>
internal static class Program
{
    /// <summary>Runs it within the tests' process: arguments in, exit code, stdout and stderr out.</summary>
    public static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        TextWriter stdout = Console.Out, stderr = Console.Error;
        using var output = new StringWriter();
        using var error = new StringWriter();
        try
        {
            Console.SetOut(output);
            Console.SetError(error);
            AnsiConsole.Console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
            return (Ds2.Train.Program.Main(arguments), output.ToString(), error.ToString());
        }
        finally
        {
            Console.SetOut(stdout);
            Console.SetError(stderr);
        }
    }

    /// <summary>Starts it as a process of its own, which the caller ends, stdout and stderr as pipes.</summary>
    public static Process Start(params string[] arguments) => Launch("dotnet", [typeof(Ds2.Train.Program).Assembly.Location, .. arguments]);

    /// <summary>Starts it by way of another program, such as <c>nohup</c>, or a shell that redirects.</summary>
    /// <param name="by">The other program and its own arguments.</param>
    /// <param name="arguments">Ds2's.</param>
    public static Process StartBy(string[] by, params string[] arguments) =>
        Launch(by[0], [.. by[1..], "dotnet", typeof(Ds2.Train.Program).Assembly.Location, .. arguments]);

    private static Process Launch(string program, string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
}
