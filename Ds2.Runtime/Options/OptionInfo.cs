using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ds2.Runtime.Options;

/// <summary>An option that users set by name: <c>--set hidden=512</c>, or <c>{"hidden": 512}</c>.</summary>
public sealed class OptionInfo
{
    private readonly PropertyInfo property;
    private readonly OptionAttribute attribute;

    private OptionInfo(PropertyInfo property, OptionAttribute attribute)
    {
        this.property = property;
        this.attribute = attribute;
        Name = JsonNamingPolicy.CamelCase.ConvertName(property.Name);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>What it does, in a line.</summary>
    public string Meaning => attribute.Meaning;

    /// <summary>What a resumed run does about another value.</summary>
    public ResumeRule OnResume => attribute.OnResume;

    /// <summary>Which values it takes, in words.</summary>
    public string Range
    {
        get
        {
            if (property.PropertyType == typeof(bool))
                return "true or false";
            if (property.PropertyType.IsEnum)
                return string.Join(", ", Enum.GetValues(property.PropertyType).Cast<object>().Select(OptionsJson.NameOf));
            if (property.PropertyType == typeof(string))
                return "a text";
            string low = attribute.Above > double.NegativeInfinity ? $"above {Number(attribute.Above)}"
                : attribute.Min > double.NegativeInfinity ? $"at least {Number(attribute.Min)}" : "";
            string high = attribute.Below < double.PositiveInfinity ? $"below {Number(attribute.Below)}"
                : attribute.Max < double.PositiveInfinity ? $"at most {Number(attribute.Max)}" : "";
            string whole = property.PropertyType == typeof(int) ? "a whole number" : "a number";
            string bounds = low.Length > 0 && high.Length > 0 ? $"{low} and {high}" : low + high;
            return bounds.Length > 0 ? $"{whole}, {bounds}" : whole;
        }
    }

    /// <summary>The options of a type, in the order of its properties.</summary>
    public static IReadOnlyList<OptionInfo> Of<T>() =>
        [.. typeof(T).GetProperties().Select(property => (property, attribute: property.GetCustomAttribute<OptionAttribute>()))
            .Where(pair => pair.attribute is not null).Select(pair => new OptionInfo(pair.property, pair.attribute!))];

    /// <summary>Its value as JSON has it.</summary>
    /// <param name="options">An object of the option's type.</param>
    public JsonNode? ValueIn(object options) => OptionsJson.ToNode(property.GetValue(options), property.PropertyType);

    /// <summary>Whether a value makes sense.</summary>
    internal bool Allows(object options) => property.GetValue(options) switch
    {
        int number => InRange(number),
        double number => double.IsFinite(number) && InRange(number) && IsWithin((float)number),
        null => false,
        _ => true,
    };

    private bool InRange(double number) => number >= attribute.Min && number <= attribute.Max && IsWithin(number);

    /// <summary>Between the bounds that are not values themselves: as fp32 too, in which kernels compute. 0.99999999 is 1 there.</summary>
    private bool IsWithin(double number) => number > attribute.Above && number < attribute.Below;

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);
}
