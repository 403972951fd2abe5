using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Step;

/// <summary>The options that say which model is trained.</summary>
internal static class ModelArguments
{
    /// <summary><c>--preset</c> and <c>--set</c>.</summary>
    public static (Option<string> Preset, Option<string[]> Set) Create(string preset) => (
        new Option<string>("--preset") { Description = string.Join(", ", RunOptions.Presets.Keys), DefaultValueFactory = _ => preset },
        new Option<string[]>("--set") { Description = "change a parameter: name=value", DefaultValueFactory = _ => [] });

    /// <summary>What they say.</summary>
    /// <exception cref="InputException">There is no such preset or parameter.</exception>
    public static RunOptions Read(ParseResult parsed, Option<string> preset, Option<string[]> set)
    {
        if (!RunOptions.Presets.TryGetValue(parsed.GetRequiredValue(preset), out RunOptions? options))
            throw new InputException($"--preset: the presets are {string.Join(", ", RunOptions.Presets.Keys)}");
        foreach (string setting in parsed.GetRequiredValue(set))
        {
            string[] parts = setting.Split('=', 2);
            options = options.With(parts[0], parts.Length == 2 ? parts[1] : throw new InputException($"--set {setting}: expected name=value"));
        }

        return options;
    }
}
