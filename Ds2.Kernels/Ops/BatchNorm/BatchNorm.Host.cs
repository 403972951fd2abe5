using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="BatchNorm"/> on the CPU.</summary>
/// <remarks>
/// Statistics take two passes: the first gives an approximate mean, of every eighth row; the second sums all deviations from it and their squares,
/// which corrects mean and variance (Chan, Golub, LeVeque, 1983). The mean of at least an eighth of the elements is never further from the mean of all
/// than sqrt(7) deviations, so the squares add up to at most 8 variances: three bits are the most that the correction can cost. See <see cref="BatchNormSums"/>.
/// </remarks>
internal sealed unsafe class HostBatchNorm(HostEngine engine) : BatchNorm(engine)
{
    // Time-major rows are treated in tiles: the features' factors are made once for all rows of a tile. Rows pass by in one piece, as memory likes it.
    private const int TileRows = 64;
    private const int TileFeatures = 4096;

    private const int SampledRow = 8;

    /// <inheritdoc/>
    public override int WorkspaceFor(BatchNormShape shape) =>
        checked(BatchNormSums.WorkspaceFor(shape) + 3 * Workspace.Round(shape.C));

    /// <inheritdoc/>
    protected override void ForwardCore(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance,
        float momentum, float epsilon, Tensor y, Tensor mean, Tensor inverseDeviation, Workspace workspace)
    {
        float* data = x.Pointer(), m = mean.Pointer(), s = inverseDeviation.Pointer();
        double count = BatchNormSums.Count(shape, lengths.Pointer());
        var sums = new BatchNormSums(Host.Workers, shape, lengths.Pointer(), workspace);
        new Span<float>(m, shape.C).Clear();
        if (count > 0)
        {
            double sample = BatchNormSums.Count(shape, lengths.Pointer(), SampledRow);
            sums.Compute(data, m, data, m, SampledRow);
            for (int c = 0; c < shape.C; c++)
                m[c] = (float)(sums.First(c) / sample);
            sums.Compute(data, m, data, m);
        }

        float* movingMean = runningMean.Pointer(), movingVariance = runningVariance.Pointer();
        for (int c = 0; c < shape.C; c++)
        {
            double variance = 0;
            if (count > 0)
            {
                double correction = sums.First(c) / count;
                variance = Math.Max(0, sums.Second(c) / count - correction * correction);
                m[c] = (float)(m[c] + correction);
                double unbiased = count > 1 ? variance * count / (count - 1) : variance;
                movingMean[c] = (1 - momentum) * movingMean[c] + momentum * m[c];
                movingVariance[c] = (1 - momentum) * movingVariance[c] + momentum * (float)unbiased;
            }

            s[c] = (float)(1 / Math.Sqrt(variance + epsilon));
        }

        Normalize(shape, data, y.Pointer(), new Affine(m, s, null, epsilon, weight.Pointer(), bias.Pointer()));
    }

    /// <inheritdoc/>
    protected override void InferCore(
        BatchNormShape shape, Tensor x, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance, float epsilon, Tensor y) =>
        Normalize(
            shape, x.Pointer(), y.Pointer(),
            new Affine(runningMean.Pointer(), null, runningVariance.Pointer(), epsilon, weight.Pointer(), bias.Pointer()));

    /// <inheritdoc/>
    protected override void BackwardCore(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor mean, Tensor inverseDeviation,
        Tensor dY, Tensor dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        float* w = weight.Pointer(), m = mean.Pointer(), s = inverseDeviation.Pointer(), dW = dWeight.Pointer(), dB = dBias.Pointer();
        double count = BatchNormSums.Count(shape, lengths.Pointer());
        var sums = new BatchNormSums(Host.Workers, shape, lengths.Pointer(), workspace);
        sums.Compute(dY.Pointer(), null, x.Pointer(), m);

        // dX = scale (dY - shift - slope (x - mean)).
        float* scale = workspace.Take(new Shape(shape.C)).Pointer();
        float* shift = workspace.Take(new Shape(shape.C)).Pointer();
        float* slope = workspace.Take(new Shape(shape.C)).Pointer();
        for (int c = 0; c < shape.C; c++)
        {
            double first = sums.First(c), second = sums.Second(c);
            dB[c] += (float)first;
            dW[c] += (float)(second * s[c]);
            scale[c] = w[c] * s[c];
            shift[c] = count > 0 ? (float)(first / count) : 0;
            slope[c] = count > 0 ? (float)(second / count * s[c] * s[c]) : 0;
        }

        float* from = x.Pointer(), upper = dY.Pointer(), to = dX.Pointer();
        int* valid = lengths.Pointer();
        if (shape.Layout == BatchNormLayout.ChannelsFirst)
            Host.Workers.For(shape.N * shape.C, plane =>
            {
                int c = plane % shape.C, length = valid[plane / shape.C];
                for (int row = 0; row < shape.F; row++)
                {
                    nint start = ((nint)plane * shape.F + row) * shape.T;
                    Elementwise.Run(new PlaneGradient(from + start, m[c], upper + start, scale[c], shift[c], slope[c], to + start), length);
                    new Span<float>(to + start + length, shape.T - length).Clear();
                }
            });
        else
            Host.Workers.For(Pieces(shape.T * shape.N, TileRows), tile =>
            {
                int end = End(tile, TileRows, shape.T * shape.N);
                for (int row = tile * TileRows; row < end; row++)
                {
                    nint start = (nint)row * shape.C;
                    if (row / shape.N < valid[row % shape.N])
                        Elementwise.Run(new RowGradient(from + start, m, upper + start, scale, shift, slope, to + start), shape.C);
                    else
                        new Span<float>(to + start, shape.C).Clear();
                }
            });
    }

    private void Normalize(BatchNormShape shape, float* x, float* y, Affine affine)
    {
        if (shape.Layout == BatchNormLayout.ChannelsFirst)
        {
            int size = shape.F * shape.T;
            Host.Workers.For(shape.N * shape.C, plane =>
            {
                int c = plane % shape.C;
                nint start = (nint)plane * size;
                Elementwise.Run(new NormalizePlane(x + start, affine.Mean[c], affine.Scale(c), affine.Bias[c], y + start), size);
            });
            return;
        }

        int rows = shape.T * shape.N;
        Host.Workers.For(Pieces(rows, TileRows), tile =>
        {
            float* scale = stackalloc float[TileFeatures];
            int endRow = End(tile, TileRows, rows);
            for (int c = 0, width; c < shape.C; c += width)
            {
                width = Math.Min(TileFeatures, shape.C - c);
                for (int i = 0; i < width; i++)
                    scale[i] = affine.Scale(c + i);
                for (int row = tile * TileRows; row < endRow; row++)
                {
                    nint start = (nint)row * shape.C + c;
                    Elementwise.Run(new NormalizeRow(x + start, affine.Mean + c, scale, affine.Bias + c, y + start), width);
                }
            }
        });
    }

    /// <summary>The map of each feature, given 1 / deviation or else a variance.</summary>
    private readonly struct Affine(float* mean, float* inverseDeviation, float* variance, float epsilon, float* weight, float* bias)
    {
        public float* Mean => mean;

        public float* Bias => bias;

        public float Scale(int c) => weight[c] * (inverseDeviation is null ? 1 / MathF.Sqrt(variance[c] + epsilon) : inverseDeviation[c]);
    }

    private readonly struct NormalizePlane(float* x, float mean, float scale, float bias, float* y) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            TLanes.MultiplyAdd(TLanes.Load(x + index) - TLanes.All(mean), TLanes.All(scale), TLanes.All(bias)).Store(y + index);
    }

    private readonly struct NormalizeRow(float* x, float* mean, float* scale, float* bias, float* y) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            TLanes.MultiplyAdd(TLanes.Load(x + index) - TLanes.Load(mean + index), TLanes.Load(scale + index), TLanes.Load(bias + index)).Store(y + index);
    }

    private readonly struct PlaneGradient(float* x, float mean, float* dY, float scale, float shift, float slope, float* dX) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes centred = TLanes.Load(dY + index) - TLanes.All(shift);
            TLanes deviation = TLanes.Load(x + index) - TLanes.All(mean);
            (TLanes.All(scale) * TLanes.MultiplyAdd(TLanes.All(-slope), deviation, centred)).Store(dX + index);
        }
    }

    private readonly struct RowGradient(float* x, float* mean, float* dY, float* scale, float* shift, float* slope, float* dX) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes centred = TLanes.Load(dY + index) - TLanes.Load(shift + index);
            TLanes deviation = TLanes.Load(x + index) - TLanes.Load(mean + index);
            (TLanes.Load(scale + index) * (centred - TLanes.Load(slope + index) * deviation)).Store(dX + index);
        }
    }
}
