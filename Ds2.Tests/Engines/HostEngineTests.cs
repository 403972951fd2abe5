using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Ds2.Tests.Ops;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Engines;

public sealed class HostEngineTests
{
    /// <remarks>How C is cut depends on the number of threads, what an element sums up in which order does not.</remarks>
    [TestCase(false, false)]
    [TestCase(false, true)]
    [TestCase(true, false)]
    public void Gemm_OnAnyNumberOfThreads_GivesTheSameBits(bool transposeA, bool transposeB)
    {
        var shape = new GemmShape(203, 301, 401, transposeA, transposeB);
        float[] a = Normal(shape.A.Length, seed: 1), b = Normal(shape.B.Length, seed: 2);
        float[] onOne = Multiply(1);
        foreach (int threads in (int[])[2, 3, 5, 16])
            Compare.BitEqual(Multiply(threads), onOne);

        float[] Multiply(int threads)
        {
            using var engine = new HostEngine(threads);
            using Tensor left = engine.Allocate(shape.A), right = engine.Allocate(shape.B), product = engine.Allocate(shape.C);
            left.CopyFrom(a);
            right.CopyFrom(b);
            Gemm.On(engine).Multiply(shape, left, right, product);
            return product.ToArray();
        }
    }

    private static float[] Normal(int length, int seed) => Array.ConvertAll(Arrays.Normal(length, seed), x => (float)x);
}
