using System.CommandLine;
using System.Globalization;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Files;

namespace Ds2.Train.Commands;

/// <summary><c>data augment</c>: one recording as training may hear it, for people to listen to.</summary>
internal static class DataAugmentCommand
{
    public static Command Create()
    {
        var input = new Option<string>("--in") { Description = "a WAV or FLAC file", Required = true, HelpName = "FILE" };
        var output = new Option<string>("--out") { Description = "the WAV file to write", Required = true, HelpName = "FILE" };
        Option<int> seed = CommandLine.Bounded("--seed", "decides what is not given below", 1);
        Option<double?> tempo = CommandLine.Number("--tempo", "speed in units of the old, from 0.1 to 10 (default: from 0.85 to 1.15)", "FACTOR", 0.1, 10);
        Option<double?> gain = CommandLine.Number("--gain", "change of level, from -100 to 100 (default: from -6 to 8)", "DB", -100, 100);
        var noise = new Option<string?>("--noise") { Description = "a folder whose WAV and FLAC files are noise (default: no noise)", HelpName = "DIR" };
        Option<double?> level = CommandLine.Number("--noise-level", "level of the noise in units of the speech's (default: from 0 to 0.5)", "LEVEL", 0, 100);
        var command = new Command("augment", "Writes a recording with another tempo and level, and with noise, as augmented training hears it.")
        {
            input, output, seed, tempo, gain, noise, level,
        };
        command.SetAction(parsed =>
        {
            NoiseFolder? folder = parsed.GetValue(noise) is { } path ? NoiseFolder.Open(path) : null;
            AudioChange change = new AudioAugment(TempoAndGain: true, folder, NoiseProbability: 1).Draw(parsed.GetValue(seed), 0, 0);
            change = change with { Tempo = parsed.GetValue(tempo) ?? change.Tempo, Gain = parsed.GetValue(gain) ?? change.Gain };
            if (change.Noise is { } excerpt)
                change = change with { Noise = excerpt with { Level = parsed.GetValue(level) ?? excerpt.Level } };
            return Run(parsed.GetRequiredValue(input), parsed.GetRequiredValue(output), folder, change);
        });
        return command;
    }

    private static int Run(string input, string output, NoiseFolder? folder, AudioChange change)
    {
        CommandLine.RequireApart("--out", output, [input, .. folder?.Files ?? []]);
        float[] changed = change.Apply(AudioFile.Read(input));
        AtomicFile.Write(output, stream => stream.Write(WavWriter.Encode(changed)));
        string noise = change.Noise is { } excerpt ? $", {Path.GetFileName(excerpt.File)} at {Number(excerpt.Level)}" : "";
        Console.WriteLine($"{output}: {Number((double)changed.Length / AudioFile.SampleRate)} s, tempo {Number(change.Tempo)}, gain {Number(change.Gain)} dB{noise}");
        return 0;
    }

    private static string Number(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);
}
