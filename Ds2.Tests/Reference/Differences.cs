using Ds2.Tests.Ops;

namespace Ds2.Tests.Reference;

/// <summary>Derivatives from function values alone.</summary>
/// <remarks>Four-point central differences: f' = (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12h, with an error of h^4 f'''''/30.</remarks>
internal static class Differences
{
    private const double Step = 1e-3;
    private const float DirectionalStep = 1f / 64;

    /// <summary>Asserts that an analytic gradient is the loss's derivative with respect to every element of a variable.</summary>
    /// <param name="loss">The loss, of the variable's present contents.</param>
    /// <param name="variable">The variable; changed for the evaluations and put back.</param>
    /// <param name="gradient">The analytic gradient.</param>
    /// <param name="name">The variable's name in messages.</param>
    public static void AssertGradient(Func<double> loss, double[] variable, double[] gradient, string name)
    {
        var numeric = new double[variable.Length];
        for (int i = 0; i < variable.Length; i++)
        {
            double centre = variable[i];
            double At(double offset)
            {
                variable[i] = centre + offset;
                return loss();
            }

            numeric[i] = Combine(At, Step);
            variable[i] = centre;
        }

        Compare.Close(gradient, numeric, Tolerances.Differences, $"d{name}");
    }

    /// <summary>Asserts that an engine's gradient predicts how its own loss moves along one direction.</summary>
    /// <param name="loss">The loss that the engine computes for an input, summed in double.</param>
    /// <param name="input">Where the gradient was taken.</param>
    /// <param name="direction">The direction, of the input's length.</param>
    /// <param name="gradient">The engine's gradient with respect to the input.</param>
    /// <param name="name">The input's name in messages.</param>
    public static void AssertDirection(Func<float[], double> loss, float[] input, float[] direction, float[] gradient, string name)
    {
        double At(double step)
        {
            var moved = new float[input.Length];
            for (int i = 0; i < input.Length; i++)
                moved[i] = input[i] + (float)step * direction[i];
            return loss(moved);
        }

        double predicted = 0, size = 1;
        for (int i = 0; i < input.Length; i++)
        {
            double term = (double)gradient[i] * direction[i];
            predicted += term;
            size += Math.Abs(term);
        }

        Assert.That(Combine(At, DirectionalStep), Is.EqualTo(predicted).Within(Tolerances.DirectionalDifference * size), $"d{name} along a direction");
    }

    private static double Combine(Func<double, double> at, double h) => (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}
