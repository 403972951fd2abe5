using System.Runtime.Intrinsics;

namespace Ds2.Runtime.Decoding;

/// <summary>The probability of a prefix's alignments, times what language model and hot words are worth, in three parts that go through a frame together.</summary>
/// <remarks>
/// With hot words, alignments are apart by whether they have a claim to the one that may be under way: from a border that was not heard to the next one they have none.
/// The plain part is that of all alignments with the boosts of all hot words in the text, heard or not: from it the probability by CTC alone is known. Without hot words all have a claim.
/// </remarks>
internal struct PrefixMass
{
    /// <summary>The alignments that end with a blank, and those that end with the last label: with a claim, without, plain, and 0.</summary>
    public Vector256<double> Blank, Label;

    private const int Claim = 0, Cold = 1, PlainPart = 2;

    /// <summary>Far beyond what stays in the beam, and below infinity, whose product with 0 is no number.</summary>
    private static readonly Vector256<double> Largest = Vector256.Create(1e250);

    /// <summary>That of the empty text before the first frame.</summary>
    public static PrefixMass Start => new() { Blank = Vector256.Create(1.0, 0, 1, 0) };

    /// <summary>All alignments, each once.</summary>
    public readonly double Total => Of(Blank + Label);

    /// <summary>Alignments with a claim.</summary>
    public static double Claimed(Vector256<double> mass) => mass.ToScalar();

    /// <summary>Alignments without.</summary>
    public static double Unclaimed(Vector256<double> mass) => mass.GetElement(Cold);

    /// <summary>The plain part.</summary>
    public static double Plain(Vector256<double> mass) => mass.GetElement(PlainPart);

    /// <summary>Both.</summary>
    public static double Of(Vector256<double> mass) => mass.ToScalar() + mass.GetElement(Cold);

    /// <summary>Multiplies alignments with a claim, and the plain part, by one factor and those without by another.</summary>
    public static Vector256<double> Multiply(Vector256<double> mass, double factor, double cold) => mass * Vector256.Create(factor).WithElement(Cold, cold);

    /// <summary>Gives all alignments a claim.</summary>
    public static Vector256<double> WithClaim(Vector256<double> mass) => Vector256.Create(Of(mass), 0, Plain(mass), 0);

    /// <summary>Takes the claim from all alignments.</summary>
    /// <param name="mass">The mass.</param>
    /// <param name="loss">What those that had one are multiplied with.</param>
    public static Vector256<double> WithoutClaim(Vector256<double> mass, double loss) => Vector256.Create(0, mass.GetElement(Claim) * loss + mass.GetElement(Cold), Plain(mass), 0);

    /// <summary>Multiplies all by a power of two.</summary>
    public void Scale(double by)
    {
        Blank = Vector256.Min(Blank * by, Largest);
        Label = Vector256.Min(Label * by, Largest);
    }
}
