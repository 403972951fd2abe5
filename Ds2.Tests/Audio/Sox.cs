using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Ds2.Runtime.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Audio;

/// <summary>The program that the benchmark's reference augments audio with.</summary>
internal static class Sox
{
    /// <summary>What comes out of an effect, without dither; ends the test as ignored where there is no sox.</summary>
    public static float[] Run(float[] sound, string effect, double value)
    {
        using var folder = new TempFolder();
        WavWriter.Write(folder["in.wav"], sound);
        try
        {
            var start = new ProcessStartInfo("sox", ["-D", folder["in.wav"], folder["out.wav"], effect, value.ToString(CultureInfo.InvariantCulture)])
            {
                RedirectStandardError = true, // where it says that it clips
            };
            using Process process = Process.Start(start)!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.Zero);
        }
        catch (Win32Exception)
        {
            Assert.Ignore("needs sox (apt install sox)");
        }

        return AudioFile.Read(folder["out.wav"]);
    }
}
