namespace Ds2.Runtime.Options;

/// <summary>What a run that goes on from a checkpoint does where an option is not what it was.</summary>
public enum ResumeRule
{
    /// <summary>Goes on with the new value, and says both.</summary>
    Free,

    /// <summary>As <see cref="Free"/>; in the middle of an epoch the epoch starts again, as other batches are left of it.</summary>
    ShapesEpoch,

    /// <summary>Refuses: the parameters or the optimiser's state that the checkpoint holds would mean something else.</summary>
    Fixed,
}

/// <summary>Says of a property that users set what it means, and which values make sense.</summary>
/// <param name="meaning">One line for the user.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionAttribute(string meaning) : Attribute
{
    /// <summary>One line for the user.</summary>
    public string Meaning { get; } = meaning;

    /// <summary>The smallest number.</summary>
    public double Min { get; init; } = double.NegativeInfinity;

    /// <summary>The largest number.</summary>
    public double Max { get; init; } = double.PositiveInfinity;

    /// <summary>A number that all values are greater than.</summary>
    public double Above { get; init; } = double.NegativeInfinity;

    /// <summary>A number that all values are less than.</summary>
    public double Below { get; init; } = double.PositiveInfinity;

    /// <summary>What a resumed run does about another value.</summary>
    public ResumeRule OnResume { get; init; }
}
