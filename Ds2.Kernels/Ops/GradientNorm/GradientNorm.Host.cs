using System.Numerics;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="GradientNorm"/> on the CPU: fixed parts, each summed in double, added up in order whoever computed them.</summary>
internal sealed unsafe class HostGradientNorm(HostEngine engine) : GradientNorm(engine)
{
    private const int FloatsPerDouble = sizeof(double) / sizeof(float);

    /// <inheritdoc/>
    public override int WorkspaceFor(int length) => Workspace.Round(FloatsPerDouble * Parts(length));

    /// <inheritdoc/>
    protected override void ComputeCore(Tensor gradients, float maxNorm, Tensor clip, Workspace workspace)
    {
        int length = gradients.Length, parts = Parts(length);
        double total = 0;
        if (length > 0)
        {
            float* g = gradients.Pointer();
            var sums = (double*)workspace.Take(new Shape(FloatsPerDouble * parts)).Pointer();
            Host.Workers.For(parts, part => sums[part] = SumOfSquares(g + (nint)part * Part, Math.Min(Part, length - part * Part)));
            for (int part = 0; part < parts; part++)
                total += sums[part];
        }

        float* result = clip.Pointer();
        (result[0], result[1]) = ClipFor(total, maxNorm);
    }

    /// <inheritdoc/>
    protected override void SumsOfSquaresCore(Tensor gradients, Tensor sums)
    {
        int length = gradients.Length;
        float* g = gradients.Pointer();
        var parts = (double*)sums.Pointer();
        Host.Workers.For(Parts(length), part => parts[part] = SumOfSquares(g + (nint)part * Part, Math.Min(Part, length - part * Part)));
    }

    /// <summary>The sum of squares, in double, in an order that depends on the length alone.</summary>
    internal static double SumOfSquares(float* g, int length)
    {
        Vector<double> low = default, high = default;
        int i = 0;
        for (; i <= length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(Vector.Load(g + i), out Vector<double> a, out Vector<double> b);
            low += a * a;
            high += b * b;
        }

        double sum = Vector.Sum(low + high);
        for (; i < length; i++)
            sum += (double)g[i] * g[i];
        return sum;
    }
}
