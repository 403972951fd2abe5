namespace Ds2.Tests.Reference;

/// <summary>Small array arithmetic that the reference tests share.</summary>
internal static class Arrays
{
    /// <summary>Normal numbers in double, from a seed.</summary>
    public static double[] Normal(int length, int seed, double deviation = 1)
    {
        var numbers = new double[length];
        MathNet.Numerics.Distributions.Normal.Samples(new Random(seed), numbers, 0, deviation);
        return numbers;
    }

    /// <summary>The inner product; with an output gradient as weights it turns any output into a loss.</summary>
    public static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    /// <summary>a + b, element by element.</summary>
    public static double[] Plus(this double[] a, double[] b)
    {
        var sum = new double[a.Length];
        for (int i = 0; i < a.Length; i++)
            sum[i] = a[i] + b[i];
        return sum;
    }
}
