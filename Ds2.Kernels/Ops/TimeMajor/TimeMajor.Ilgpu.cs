using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using TransposeLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, IlgpuTimeMajor.Matrices, ArrayView<float>, IlgpuTimeMajor.Matrices>;

/// <summary><see cref="TimeMajor"/> on a GPU: a transposition per utterance, in tiles through shared memory.</summary>
/// <remarks>
/// To an utterance both directions are the transposition of a matrix: [C F, T] with neighbouring rows to [T, C F] with rows N C F apart, and back.
/// A group reads a tile of 32 x 32 along its rows and writes it along its columns, so that both global accesses of a warp are 128 bytes in a row.
/// </remarks>
internal sealed class IlgpuTimeMajor(IlgpuEngine engine) : TimeMajor(engine)
{
    private const int Threads = 256;
    private const int Tile = 32;
    private const int Pitch = Tile + 1; // One column of padding: the elements of a tile's column fall into 32 different banks.

    private readonly TransposeLauncher transpose = engine.Load<TransposeLauncher>(TransposeKernel);

    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y) => Transpose(x, Images(x.Shape), y, Sequences(x.Shape), x.Shape[0]);

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor dY, Tensor dX) => Transpose(dY, Sequences(dX.Shape), dX, Images(dX.Shape), dX.Shape[0]);

    private static Matrices Images(Shape x) => new(x[1] * x[2], x[3], RowStride: x[3], MatrixStride: x[1] * x[2] * x[3]);

    private static Matrices Sequences(Shape x) => new(x[3], x[1] * x[2], RowStride: x[0] * x[1] * x[2], MatrixStride: x[1] * x[2]);

    private void Transpose(Tensor source, Matrices from, Tensor target, Matrices to, int utterances)
    {
        var grid = new Index3D(utterances, Tiles(from.Columns), Tiles(from.Rows));
        transpose(Gpu.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), source.View(), from, target.View(), to);
    }

    private static int Tiles(int length) => (length + Tile - 1) / Tile;

    [GpuKernel(Threads)]
    private static void TransposeKernel(ArrayView<float> source, Matrices from, ArrayView<float> target, Matrices to)
    {
        ArrayView<float> tile = SharedMemory.Allocate<float>(Tile * Pitch);
        int lane = Group.IdxX % Tile;
        int first = Group.IdxX / Tile;
        int row = Grid.IdxZ * Tile;
        int column = Grid.IdxY * Tile;

        int start = Grid.IdxX * from.MatrixStride + row * from.RowStride + column + lane;
        if (column + lane < from.Columns)
            for (int r = first; r < Tile && row + r < from.Rows; r += Threads / Tile)
                tile[r * Pitch + lane] = source[start + r * from.RowStride];

        Group.Barrier();

        start = Grid.IdxX * to.MatrixStride + column * to.RowStride + row + lane;
        if (row + lane < to.Columns)
            for (int r = first; r < Tile && column + r < to.Rows; r += Threads / Tile)
                target[start + r * to.RowStride] = tile[lane * Pitch + r];
    }

    /// <summary>Where the matrices of a batch lie: element (i, j) of matrix n at n * MatrixStride + i * RowStride + j.</summary>
    internal readonly record struct Matrices(int Rows, int Columns, int RowStride, int MatrixStride);
}
