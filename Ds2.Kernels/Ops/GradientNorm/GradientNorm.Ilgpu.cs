using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using FinishLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<double>, int, float, ArrayView<float>>;
using SquaresLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, int, int, ArrayView<double>>;

/// <summary><see cref="GradientNorm"/> on a GPU, in two launches: each group sums the squares of a range, then one group sums the groups.</summary>
/// <remarks>
/// Squares and sums are in double: a square is exact, and n summands have a relative error below n 2^-53 in any order, so that the norm is
/// correct to fp32's last digit, and no square overflows. The kernel is bound by memory all the same, on a P100 with its 1:2 rate for double
/// and on consumer GPUs. OpenCL devices without fp64 refuse it when it is loaded.
/// </remarks>
internal sealed class IlgpuGradientNorm(IlgpuEngine engine) : GradientNorm(engine)
{
    private const int Threads = 256;
    private const int LeastRange = 16 * Threads;
    private const int MostGroups = 1024;

    private readonly SquaresLauncher squares = engine.Load<SquaresLauncher>(SquaresKernel);
    private readonly FinishLauncher finish = engine.Load<FinishLauncher>(FinishKernel);

    /// <inheritdoc/>
    public override int WorkspaceFor(int length) => Workspace.Round(2 * GroupsFor(length));

    /// <inheritdoc/>
    protected override void ComputeCore(Tensor gradients, float maxNorm, Tensor clip, Workspace workspace)
    {
        int groups = GroupsFor(gradients.Length);
        ArrayView<double> sums = workspace.Take(new Shape(2 * groups)).View().Cast<double>();
        if (gradients.Length > 0)
        {
            int range = (int)(((long)gradients.Length + groups - 1) / groups);
            squares(Gpu.Stream, new KernelConfig(groups, Threads), gradients.View(), gradients.Length, range, sums);
        }

        finish(Gpu.Stream, new KernelConfig(1, Threads), sums, gradients.Length > 0 ? groups : 0, maxNorm, clip.View());
    }

    /// <inheritdoc/>
    protected override void SumsOfSquaresCore(Tensor gradients, Tensor sums) =>
        squares(Gpu.Stream, new KernelConfig(Parts(gradients.Length), Threads), gradients.View(), gradients.Length, Part, sums.View().Cast<double>());

    /// <summary>Depends on the length alone, and so does the order of summation.</summary>
    private static int GroupsFor(int length) => Math.Clamp(length / LeastRange, 1, MostGroups);

    [GpuKernel(Threads)]
    private static void SquaresKernel(ArrayView<float> gradients, int length, int range, ArrayView<double> sums)
    {
        ArrayView<double> scratch = SharedMemory.Allocate<double>(Threads);
        int start = Grid.IdxX * range;
        int end = length - start < range ? length - start : range;
        double sum = 0;
        for (int i = Group.IdxX; i < end; i += Threads)
        {
            double g = gradients[start + i];
            sum += g * g;
        }

        sum = GroupTree.Reduce<double, DoubleSum>(scratch, sum, Threads, 1);
        if (Group.IdxX == 0)
            sums[Grid.IdxX] = sum;
    }

    [GpuKernel(Threads)]
    private static void FinishKernel(ArrayView<double> sums, int groups, float maxNorm, ArrayView<float> clip)
    {
        ArrayView<double> scratch = SharedMemory.Allocate<double>(Threads);
        double sum = 0;
        for (int i = Group.IdxX; i < groups; i += Threads)
            sum += sums[i];
        sum = GroupTree.Reduce<double, DoubleSum>(scratch, sum, Threads, 1);
        if (Group.IdxX > 0)
            return;

        float norm = (float)XMath.Sqrt(sum);
        float factor = maxNorm / (norm + 1e-6f);
        if (factor > 1)
            factor = 1;
        clip[0] = norm;
        clip[1] = norm < float.PositiveInfinity ? factor : 0; // Also 0 for a norm of NaN.
    }
}
