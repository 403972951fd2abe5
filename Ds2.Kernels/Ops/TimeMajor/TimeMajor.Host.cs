using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="TimeMajor"/> on the CPU: a transposition of each utterance, a tile at a time.</summary>
internal sealed unsafe class HostTimeMajor(HostEngine engine) : TimeMajor(engine)
{
    // A tile's lines of the target stay in the first-level cache until they are full. Where frames are the target's rows, these lie batch x features apart, an
    // even number of pages for the model's sizes: few fit the same sets. Backward there is room, and long pieces of the source are what memory likes.
    private const int ForwardRows = 32;
    private const int ForwardColumns = 32;
    private const int BackwardRows = 16;
    private const int BackwardColumns = 128;

    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y)
    {
        int n = x.Shape[0], features = x.Shape[1] * x.Shape[2], frames = x.Shape[3];
        Transpose(n, features, frames, x.Pointer(), (nint)features * frames, frames, y.Pointer(), features, (nint)n * features, ForwardRows, ForwardColumns);
    }

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor dY, Tensor dX)
    {
        int n = dX.Shape[0], features = dX.Shape[1] * dX.Shape[2], frames = dX.Shape[3];
        Transpose(n, frames, features, dY.Pointer(), features, (nint)n * features, dX.Pointer(), (nint)features * frames, frames, BackwardRows, BackwardColumns);
    }

    /// <summary>For each of <paramref name="count"/> matrices: target (column, row) = source (row, column), with strides between matrices and rows.</summary>
    private void Transpose(
        int count, int rows, int columns, float* source, nint sourceStep, nint sourceRow, float* target, nint targetStep, nint targetRow, int tileRows, int tileColumns)
    {
        int bands = Pieces(columns, tileColumns);
        Host.Workers.For(count * bands, item =>
        {
            float* from = source + item / bands * sourceStep;
            float* to = target + item / bands * targetStep;
            int firstColumn = item % bands * tileColumns, someColumns = Math.Min(tileColumns, columns - firstColumn);
            for (int firstRow = 0, someRows; firstRow < rows; firstRow += someRows)
            {
                someRows = Math.Min(tileRows, rows - firstRow);
                Packing.Transpose(
                    from + firstRow * sourceRow + firstColumn, sourceRow, someRows, someColumns, to + firstColumn * targetRow + firstRow, targetRow);
            }
        });
    }
}
