using System.CommandLine.Parsing;
using System.Globalization;

namespace Ds2.Bench;

/// <summary>Parsers of options whose numbers need not be whole. The library's own takes commas between digits, too, and makes 25 of <c>2,5</c>.</summary>
internal static class NumberOptions
{
    /// <summary>The number that is given; of several the last.</summary>
    public static double One(ArgumentResult result) => All(result) is [.., var last] ? last : 0;

    /// <summary>The same, of an option that need not have a value.</summary>
    public static double? OneOrNone(ArgumentResult result) => One(result);

    /// <summary>All numbers that are given; what is none is an error of the option.</summary>
    public static double[] All(ArgumentResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var numbers = new List<double>();
        foreach (Token token in result.Tokens)
        {
            if (double.TryParse(token.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && !double.IsNaN(number))
                numbers.Add(number);
            else
                result.AddError($"{(result.Parent as OptionResult)?.Option.Name} must be a number such as 2.5, not {token.Value}");
        }

        return [.. numbers];
    }
}
