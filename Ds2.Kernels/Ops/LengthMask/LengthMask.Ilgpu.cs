using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using MaskLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, int, int, int>;

/// <summary><see cref="LengthMask"/> on a GPU: a warp's width of threads zeroes the end of a row of frames; valid frames are not touched.</summary>
internal sealed class IlgpuLengthMask(IlgpuEngine engine) : LengthMask(engine)
{
    private const int Threads = 256;
    private const int Lanes = 32;
    private const int RowsOfGroup = Threads / Lanes;

    private readonly MaskLauncher mask = engine.Load<MaskLauncher>(MaskKernel);

    /// <inheritdoc/>
    protected override void ApplyCore(Tensor x, IntTensor lengths)
    {
        int frames = x.Shape[3];
        int rows = x.Length / frames;
        int rowsOfUtterance = x.Shape[1] * x.Shape[2];
        mask(Gpu.Stream, new KernelConfig((rows + RowsOfGroup - 1) / RowsOfGroup, Threads), x.View(), lengths.View(), rows, rowsOfUtterance, frames);
    }

    [GpuKernel(Threads)]
    private static void MaskKernel(ArrayView<float> x, ArrayView<int> lengths, int rows, int rowsOfUtterance, int frames)
    {
        int row = Grid.IdxX * RowsOfGroup + Group.IdxX / Lanes;
        if (row >= rows)
            return;
        for (int t = lengths[row / rowsOfUtterance] + Group.IdxX % Lanes; t < frames; t += Lanes)
            x[row * frames + t] = 0;
    }
}
