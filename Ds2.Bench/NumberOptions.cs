using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Ds2.Bench;

/// <summary>Parsers of options whose numbers need not be whole, as the library's own takes commas between digits, too, and makes 25 of <c>2,5</c>; and the least value of those that are.</summary>
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

    /// <summary>Has an option refuse whole numbers below 1: of nothing there is nothing to measure.</summary>
    public static T AtLeastOne<T>(this T option) where T : Option
    {
        option.Validators.Add(result =>
        {
            foreach (Token token in result.Tokens)
            {
                if (int.TryParse(token.Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out int number) && number < 1)
                    result.AddError($"{option.Name} {number}: must be at least 1");
            }
        });
        return option;
    }
}
