using System.Runtime.CompilerServices;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>Sums over the rows of a matrix: a bias's gradient.</summary>
internal static unsafe class ColumnSums
{
    private const int Columns = 256;
    private const int Rows = 64;

    /// <summary>target[j] += sum over i of a[i, j]: runs of rows in fp32, the runs in double, in order.</summary>
    public static void Add(WorkerPool workers, float* a, int rows, int columns, int rowStride, float* target) =>
        workers.For(Pieces(columns, Columns), block =>
        {
            int first = block * Columns, width = Math.Min(Columns, columns - first);
            double* total = stackalloc double[Columns];
            float* partial = stackalloc float[Columns];
            new Span<double>(total, Columns).Clear();
            for (int start = 0, end; start < rows; start = end)
            {
                new Span<float>(partial, width).Clear();
                end = start + Math.Min(Rows, rows - start);
                for (int row = start; row < end; row++)
                    Elementwise.Run(new Accumulate(a + (nint)row * rowStride + first, partial), width);
                for (int j = 0; j < width; j++)
                    total[j] += partial[j];
            }

            for (int j = 0; j < width; j++)
                target[first + j] += (float)total[j];
        });
}

/// <summary>target += source.</summary>
internal readonly unsafe struct Accumulate(float* source, float* target) : IElementwise
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply<TLanes>(int index)
        where TLanes : unmanaged, ILanes<TLanes> =>
        (TLanes.Load(source + index) + TLanes.Load(target + index)).Store(target + index);
}
