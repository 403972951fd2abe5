using System.ComponentModel;
using System.Diagnostics;

namespace Ds2.Tests.Transcripts;

/// <summary>Other people's programs that read what is written.</summary>
internal static class Readers
{
    /// <summary>Runs one; ends the test as ignored where it is not installed.</summary>
    /// <returns>Its exit status, and what it printed.</returns>
    public static (int Code, string Output) Run(string program, string needs, params string[] arguments)
    {
        Process? process = null;
        try
        {
            process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true });
        }
        catch (Win32Exception)
        {
            Assert.Ignore($"needs {needs}");
        }

        using (process)
        {
            process!.StandardInput.Close();
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output + error.Result);
        }
    }
}
