using System.Numerics;
using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary>Sums over the valid elements of each feature: of a - p, and of (a - p)(b - q), p and q being one number a feature.</summary>
/// <remarks>Forward it is x against a mean; backward it is dY (p = 0) against x. Parts depend on the shape alone and are added up in order.</remarks>
internal sealed unsafe class BatchNormSums
{
    private const int RowsPerPart = 64;
    private const int RowsAtOnce = 8;
    private const int FeaturesAtOnce = 512;

    private readonly WorkerPool workers;
    private readonly BatchNormShape shape;
    private readonly int* lengths;
    private readonly int parts;
    private readonly float* partial;
    private readonly double* totals;

    public BatchNormSums(WorkerPool workers, BatchNormShape shape, int* lengths, Workspace workspace)
    {
        this.workers = workers;
        this.shape = shape;
        this.lengths = lengths;
        parts = Parts(shape);
        partial = workspace.Take(new Shape(2 * parts * shape.C)).Pointer();
        totals = (double*)workspace.Take(new Shape(TotalsLength(shape))).Pointer();
    }

    /// <summary>The fp32 elements that it takes of a workspace.</summary>
    public static int WorkspaceFor(BatchNormShape shape) => checked(Workspace.Round(2 * Parts(shape) * shape.C) + Workspace.Round(TotalsLength(shape)));

    /// <summary>The valid elements of each feature that sums over every so many rows of planes, or time-major frames, take in.</summary>
    public static double Count(BatchNormShape shape, int* lengths, int every = 1)
    {
        double count = 0;
        for (int n = 0; n < shape.N; n++)
            count += shape.Layout == BatchNormLayout.ChannelsFirst ? (double)lengths[n] * Pieces(shape.F, every) : Pieces(lengths[n], every);
        return count;
    }

    /// <summary>Computes all sums.</summary>
    /// <param name="a">The first factor.</param>
    /// <param name="p">[C], taken from a; null for none.</param>
    /// <param name="b">The second factor.</param>
    /// <param name="q">[C], taken from b.</param>
    /// <param name="every">1 for all rows of planes, or time-major frames; n for every nth, the first among them.</param>
    public void Compute(float* a, float* p, float* b, float* q, int every = 1)
    {
        if (shape.Layout == BatchNormLayout.ChannelsFirst)
            workers.For(shape.N * shape.C, plane => SumPlane(plane, a, p, b, q, every));
        else
            workers.For(parts, part => SumRows(part, a, p, b, q, every));
        workers.For(Pieces(2 * shape.C, FeaturesAtOnce), block => AddParts(block * FeaturesAtOnce, End(block, FeaturesAtOnce, 2 * shape.C)));
    }

    /// <summary>A feature's sum of a - p.</summary>
    public double First(int feature) => totals[feature];

    /// <summary>A feature's sum of (a - p)(b - q).</summary>
    public double Second(int feature) => totals[shape.C + feature];

    // Images, or runs of time-major rows.
    private static int Parts(BatchNormShape shape) =>
        shape.Layout == BatchNormLayout.ChannelsFirst ? shape.N : Pieces(shape.T * shape.N, RowsPerPart);

    private static int TotalsLength(BatchNormShape shape) => checked(2 * shape.C * (sizeof(double) / sizeof(float)));

    // Row by row, as the parts lie in memory.
    private void AddParts(int first, int end)
    {
        new Span<double>(totals + first, end - first).Clear();
        for (int part = 0; part < parts; part++)
        {
            float* sums = partial + (nint)part * 2 * shape.C;
            int i = first;
            for (; i <= end - Vector<float>.Count; i += Vector<float>.Count)
            {
                Vector.Widen(Vector.Load(sums + i), out Vector<double> low, out Vector<double> high);
                (Vector.Load(totals + i) + low).Store(totals + i);
                (Vector.Load(totals + i + Vector<double>.Count) + high).Store(totals + i + Vector<double>.Count);
            }

            for (; i < end; i++)
                totals[i] += sums[i];
        }
    }

    private void SumPlane(int plane, float* a, float* p, float* b, float* q, int every)
    {
        int n = plane / shape.C, c = plane % shape.C, length = lengths[n];
        float fromA = p is null ? 0 : p[c], fromB = q[c];
        double first = 0, second = 0;
        for (long row = 0; row < shape.F; row += every)
        {
            nint start = (nint)((long)plane * shape.F + row) * shape.T;
            Vector<float> sums = default, products = default;
            int t = 0;
            for (; t <= length - Vector<float>.Count; t += Vector<float>.Count)
            {
                Vector<float> value = Vector.Load(a + start + t) - new Vector<float>(fromA);
                sums += value;
                products = Vector.MultiplyAddEstimate(value, Vector.Load(b + start + t) - new Vector<float>(fromB), products);
            }

            float sum = Vector.Sum(sums), product = Vector.Sum(products);
            for (; t < length; t++)
            {
                float value = a[start + t] - fromA;
                sum += value;
                product += value * (b[start + t] - fromB);
            }

            first += sum;
            second += product;
        }

        partial[(nint)n * 2 * shape.C + c] = (float)first;
        partial[(nint)n * 2 * shape.C + shape.C + c] = (float)second;
    }

    private void SumRows(int part, float* a, float* p, float* b, float* q, int every)
    {
        float* sums = partial + (nint)part * 2 * shape.C;
        nint* starts = stackalloc nint[RowsPerPart];
        int valid = 0, end = End(part, RowsPerPart, shape.T * shape.N);
        for (int row = part * RowsPerPart; row < end; row++)
            if (row / shape.N is int t && t < lengths[row % shape.N] && t % every == 0)
                starts[valid++] = (nint)row * shape.C;
        new Span<float>(sums, 2 * shape.C).Clear();
        for (int row = 0; row < valid; row += RowsAtOnce)
            Elementwise.Run(new AddRows(starts + row, Math.Min(RowsAtOnce, valid - row), a, p, b, q, sums, sums + shape.C), shape.C);
    }

    // A register's features in a few rows: so many that the sums seldom go to memory, so few that each row streams.
    private readonly struct AddRows(nint* starts, int rows, float* a, float* p, float* b, float* q, float* first, float* second) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes sums = TLanes.Load(first + index), products = TLanes.Load(second + index);
            TLanes fromA = p is null ? default : TLanes.Load(p + index), fromB = TLanes.Load(q + index);
            for (int row = 0; row < rows; row++)
            {
                nint at = starts[row] + index;
                TLanes value = TLanes.Load(a + at) - fromA;
                sums += value;
                TLanes.AddProduct(ref products, value, TLanes.Load(b + at) - fromB);
            }

            sums.Store(first + index);
            products.Store(second + index);
        }
    }
}
