using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using GradientLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, ArrayView<float>>;
using NormalizeLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, int, int, ArrayView<float>>;

/// <summary><see cref="LogSoftmax"/> on a GPU: a row belongs to 32 threads, 8 rows to a group.</summary>
/// <remarks>Speech has a few dozen classes, hence so few threads a row; longer rows are walked in steps of 32.
/// The maximum may lose a NaN, but the sum of exp(x - maximum) does not.</remarks>
internal sealed class IlgpuLogSoftmax(IlgpuEngine engine) : LogSoftmax(engine)
{
    private const int Threads = 256;
    private const int Lanes = 32;
    private const int RowsOfGroup = Threads / Lanes;

    private readonly NormalizeLauncher normalize = engine.Load<NormalizeLauncher>(NormalizeKernel);
    private readonly GradientLauncher gradient = engine.Load<GradientLauncher>(GradientKernel);

    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y)
    {
        int classes = x.Shape[2];
        int rows = x.Length / classes;
        normalize(Gpu.Stream, GroupsFor(rows), x.View(), rows, classes, y.View());
    }

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor y, Tensor dY, Tensor dX)
    {
        int classes = y.Shape[2];
        int rows = y.Length / classes;
        gradient(Gpu.Stream, GroupsFor(rows), y.View(), dY.View(), rows, classes, dX.View());
    }

    private static KernelConfig GroupsFor(int rows) => new((rows + RowsOfGroup - 1) / RowsOfGroup, Threads);

    [GpuKernel(Threads)]
    private static void NormalizeKernel(ArrayView<float> x, int rows, int classes, ArrayView<float> y)
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(Threads);
        int row = Grid.IdxX * RowsOfGroup + Group.IdxX / Lanes;
        int start = row * classes;
        int end = row < rows ? classes : 0; // Surplus rows have no elements, but their threads are needed at the barriers.
        int lane = Group.IdxX % Lanes;

        float maximum = float.NegativeInfinity;
        for (int k = lane; k < end; k += Lanes)
            if (x[start + k] > maximum)
                maximum = x[start + k];
        maximum = GroupTree.Reduce<float, FloatMaximum>(scratch, maximum, Lanes, 1);

        float sum = 0;
        for (int k = lane; k < end; k += Lanes)
            sum += XMath.Exp(x[start + k] - maximum);
        float logSum = XMath.Log(GroupTree.Reduce<float, FloatSum>(scratch, sum, Lanes, 1));

        for (int k = lane; k < end; k += Lanes)
            y[start + k] = x[start + k] - maximum - logSum;
    }

    [GpuKernel(Threads)]
    private static void GradientKernel(ArrayView<float> y, ArrayView<float> dY, int rows, int classes, ArrayView<float> dX)
    {
        ArrayView<float> scratch = SharedMemory.Allocate<float>(Threads);
        int row = Grid.IdxX * RowsOfGroup + Group.IdxX / Lanes;
        int start = row * classes;
        int end = row < rows ? classes : 0;
        int lane = Group.IdxX % Lanes;

        float sum = 0;
        for (int k = lane; k < end; k += Lanes)
            sum += dY[start + k];
        sum = GroupTree.Reduce<float, FloatSum>(scratch, sum, Lanes, 1);

        for (int k = lane; k < end; k += Lanes)
            dX[start + k] = dY[start + k] - XMath.Exp(y[start + k]) * sum;
    }
}
