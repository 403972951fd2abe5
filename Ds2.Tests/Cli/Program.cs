using Spectre.Console;

namespace Ds2.Tests.Cli;

/// <summary>The program within the tests' process: arguments in, exit code, stdout and stderr out.</summary>
internal static class Program
{
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
}
