using System.CommandLine;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Decoding.LanguageModels;

namespace Ds2.Train.Commands;

/// <summary><c>lm compile</c>: an ARPA file in a form that is small and there at once.</summary>
internal static class LmCompileCommand
{
    public static Command Create()
    {
        var arpa = new Option<string>("--arpa") { Description = "the ARPA file, gzip or not", Required = true, HelpName = "FILE" };
        var output = new Option<string>("--out") { Description = "the compiled model", Required = true, HelpName = "FILE" };
        Option<int> bits = LmCommand.Bits("8 quantises probabilities and back-offs, 32 keeps them exact");
        var command = new Command("compile", "Compiles an ARPA file into one that is mapped into memory.") { arpa, output, bits };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(arpa), parsed.GetRequiredValue(output), parsed.GetValue(bits)));
        return command;
    }

    private static int Run(string arpa, string output, int bits)
    {
        if (LanguageModelBuilder.IsArpa(output))
            throw new InputException($"--out {output}: a compiled model is written, and the name says that it is an ARPA file: take another");
        CommandLine.RequireApart("--out", output, arpa);
        (IReadOnlyList<long> counts, long bytes) = LmCommand.Run(LmCommand.NothingWritten, progress => LanguageModelBuilder.Compile(arpa, output, bits, progress));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{output}: {LmCommand.Text(counts)}; {bytes} bytes, {(double)bytes / counts.Sum():F2} an n-gram"));
        return 0;
    }
}
