using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using FinishGradientSumsLauncher = Action<AcceleratorStream, KernelConfig, BatchNormShape, ArrayView<IlgpuBatchNorm.Sums>, int, ArrayView<int>,
    ArrayView<float>, ArrayView<float>, ArrayView<IlgpuBatchNorm.Sums>>;
using FinishStatisticsLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<IlgpuBatchNorm.Moments>, int, float, float, ArrayView<float>,
    ArrayView<float>, ArrayView<float>, ArrayView<float>>;
using GradientLauncher = Action<AcceleratorStream, KernelConfig, BatchNormShape, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>,
    ArrayView<float>, ArrayView<IlgpuBatchNorm.Sums>, ArrayView<float>, ArrayView<float>>;
using GradientSumsLauncher = Action<AcceleratorStream, KernelConfig, BatchNormShape, ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>,
    ArrayView<float>, ArrayView<IlgpuBatchNorm.Sums>>;
using InferLauncher = Action<AcceleratorStream, KernelConfig, BatchNormShape, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>,
    ArrayView<float>, float, ArrayView<float>>;
using NormalizeLauncher = Action<AcceleratorStream, KernelConfig, BatchNormShape, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>,
    ArrayView<float>, ArrayView<float>>;
using StatisticsLauncher = Action<AcceleratorStream, KernelConfig, BatchNormShape, ArrayView<float>, ArrayView<int>, ArrayView<IlgpuBatchNorm.Moments>>;

/// <summary><see cref="BatchNorm"/> on a GPU.</summary>
/// <remarks>
/// Forward is three launches: statistics of each range, their union, the normalisation. Backward likewise: sums of each range, their sum, the gradient.
/// <see cref="BatchNormWalk"/> says which elements a thread visits, in either layout. The ranges depend on the shape alone, and so does the order of every sum.
/// Statistics are by Welford's update in a thread and by Chan's union above: one pass over memory, with no cancellation.
/// </remarks>
internal sealed class IlgpuBatchNorm(IlgpuEngine engine) : BatchNorm(engine)
{
    private const int Threads = BatchNormWalk.Threads;
    private const int MostRanges = BatchNormWalk.MostRanges;

    private readonly StatisticsLauncher statistics = engine.Load<StatisticsLauncher>(StatisticsKernel);
    private readonly FinishStatisticsLauncher finishStatistics = engine.Load<FinishStatisticsLauncher>(FinishStatisticsKernel);
    private readonly NormalizeLauncher normalize = engine.Load<NormalizeLauncher>(NormalizeKernel);
    private readonly InferLauncher infer = engine.Load<InferLauncher>(InferKernel);
    private readonly GradientSumsLauncher gradientSums = engine.Load<GradientSumsLauncher>(GradientSumsKernel);
    private readonly FinishGradientSumsLauncher finishGradientSums = engine.Load<FinishGradientSumsLauncher>(FinishGradientSumsKernel);
    private readonly GradientLauncher gradient = engine.Load<GradientLauncher>(GradientKernel);

    /// <inheritdoc/>
    public override int WorkspaceFor(BatchNormShape shape)
    {
        int slots = shape.C * BatchNormWalk.Ranges(shape);
        int forward = Workspace.Round(Moments.Floats * slots);
        int backward = Workspace.Round(Sums.Floats * slots) + Workspace.Round(Sums.Floats * shape.C);
        return Math.Max(forward, backward);
    }

    /// <inheritdoc/>
    protected override void ForwardCore(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance,
        float momentum, float epsilon, Tensor y, Tensor mean, Tensor inverseDeviation, Workspace workspace)
    {
        int ranges = BatchNormWalk.Ranges(shape);
        ArrayView<Moments> parts = workspace.Take(new Shape(Moments.Floats * shape.C * ranges)).View().Cast<Moments>();
        KernelConfig grid = BatchNormWalk.Config(shape);
        statistics(Gpu.Stream, grid, shape, x.View(), lengths.View(), parts);
        finishStatistics(
            Gpu.Stream, new KernelConfig(shape.C, MostRanges), parts, ranges, momentum, epsilon,
            mean.View(), inverseDeviation.View(), runningMean.View(), runningVariance.View());
        if (x.Length > 0)
            normalize(Gpu.Stream, grid, shape, x.View(), weight.View(), bias.View(), mean.View(), inverseDeviation.View(), y.View());
    }

    /// <inheritdoc/>
    protected override void InferCore(
        BatchNormShape shape, Tensor x, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance, float epsilon, Tensor y) =>
        infer(
            Gpu.Stream, BatchNormWalk.Config(shape), shape, x.View(), weight.View(), bias.View(),
            runningMean.View(), runningVariance.View(), epsilon, y.View());

    /// <inheritdoc/>
    protected override void BackwardCore(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor mean, Tensor inverseDeviation,
        Tensor dY, Tensor dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        int ranges = BatchNormWalk.Ranges(shape);
        ArrayView<Sums> parts = workspace.Take(new Shape(Sums.Floats * shape.C * ranges)).View().Cast<Sums>();
        ArrayView<Sums> means = workspace.Take(new Shape(Sums.Floats * shape.C)).View().Cast<Sums>();
        KernelConfig grid = BatchNormWalk.Config(shape);
        gradientSums(Gpu.Stream, grid, shape, x.View(), lengths.View(), mean.View(), inverseDeviation.View(), dY.View(), parts);
        finishGradientSums(
            Gpu.Stream, new KernelConfig(shape.C, MostRanges), shape, parts, ranges, lengths.View(), dWeight.View(), dBias.View(), means);
        gradient(
            Gpu.Stream, grid, shape, x.View(), lengths.View(), weight.View(), mean.View(), inverseDeviation.View(), means, dY.View(), dX.View());
    }

    [GpuKernel(Threads)]
    private static void StatisticsKernel(BatchNormShape shape, ArrayView<float> x, ArrayView<int> lengths, ArrayView<Moments> parts)
    {
        ArrayView<Moments> scratch = SharedMemory.Allocate<Moments>(Threads);
        var walk = new BatchNormWalk(shape);
        int count = 0;
        float mean = 0;
        float squares = 0;
        for (int row = walk.FirstRow; row < walk.EndRow; row += walk.RowStep)
        {
            int end = Math.Min(lengths[walk.Utterance(row)], walk.EndFrame);
            for (int t = walk.FirstFrame, i = walk.Index(row); t < end; t += walk.FrameStep, i += walk.ElementStep)
            {
                float value = x[i];
                float delta = value - mean;
                count++;
                mean += delta / count;
                squares += delta * (value - mean);
            }
        }

        Moments all = GroupTree.Reduce<Moments, Moments.Union>(scratch, new Moments(count, mean, squares), walk.Sharers, walk.Stride);
        if (walk.Writes)
            parts[walk.Slot] = all;
    }

    [GpuKernel(MostRanges)]
    private static void FinishStatisticsKernel(
        ArrayView<Moments> parts, int ranges, float momentum, float epsilon,
        ArrayView<float> mean, ArrayView<float> inverseDeviation, ArrayView<float> runningMean, ArrayView<float> runningVariance)
    {
        ArrayView<Moments> scratch = SharedMemory.Allocate<Moments>(MostRanges);
        int channel = Grid.IdxX;
        Moments all = default;
        if (Group.IdxX < ranges)
            all = parts[channel * ranges + Group.IdxX];
        all = GroupTree.Reduce<Moments, Moments.Union>(scratch, all, MostRanges, 1);
        if (Group.IdxX > 0)
            return;

        float variance = 0;
        if (all.Count > 0)
        {
            variance = all.Squares / all.Count;
            float unbiased = variance;
            if (all.Count > 1)
                unbiased = all.Squares / (all.Count - 1);
            runningMean[channel] = (1 - momentum) * runningMean[channel] + momentum * all.Mean;
            runningVariance[channel] = (1 - momentum) * runningVariance[channel] + momentum * unbiased;
        }

        mean[channel] = all.Mean;
        inverseDeviation[channel] = 1 / XMath.Sqrt(variance + epsilon);
    }

    [GpuKernel(Threads)]
    private static void NormalizeKernel(
        BatchNormShape shape, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias,
        ArrayView<float> mean, ArrayView<float> inverseDeviation, ArrayView<float> y)
    {
        var walk = new BatchNormWalk(shape);
        int channel = walk.Channel;
        if (channel < shape.C)
            Affine(walk, x, mean[channel], weight[channel] * inverseDeviation[channel], bias[channel], y);
    }

    [GpuKernel(Threads)]
    private static void InferKernel(
        BatchNormShape shape, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias,
        ArrayView<float> mean, ArrayView<float> variance, float epsilon, ArrayView<float> y)
    {
        var walk = new BatchNormWalk(shape);
        int channel = walk.Channel;
        if (channel < shape.C)
            Affine(walk, x, mean[channel], weight[channel] / XMath.Sqrt(variance[channel] + epsilon), bias[channel], y);
    }

    /// <summary>y = (x - centre) scale + bias: the difference first, since a large mean times the scale would cancel against the bias.</summary>
    private static void Affine(BatchNormWalk walk, ArrayView<float> x, float centre, float scale, float bias, ArrayView<float> y)
    {
        for (int row = walk.FirstRow; row < walk.EndRow; row += walk.RowStep)
            for (int t = walk.FirstFrame, i = walk.Index(row); t < walk.EndFrame; t += walk.FrameStep, i += walk.ElementStep)
                y[i] = (x[i] - centre) * scale + bias;
    }

    [GpuKernel(Threads)]
    private static void GradientSumsKernel(
        BatchNormShape shape, ArrayView<float> x, ArrayView<int> lengths, ArrayView<float> mean, ArrayView<float> inverseDeviation,
        ArrayView<float> dY, ArrayView<Sums> parts)
    {
        ArrayView<Sums> scratch = SharedMemory.Allocate<Sums>(Threads);
        var walk = new BatchNormWalk(shape);
        float centre = 0;
        float scale = 0;
        if (walk.Channel < shape.C)
        {
            centre = mean[walk.Channel];
            scale = inverseDeviation[walk.Channel];
        }

        float sum = 0;
        float product = 0;
        for (int row = walk.FirstRow; row < walk.EndRow; row += walk.RowStep)
        {
            int end = Math.Min(lengths[walk.Utterance(row)], walk.EndFrame);
            for (int t = walk.FirstFrame, i = walk.Index(row); t < end; t += walk.FrameStep, i += walk.ElementStep)
            {
                sum += dY[i];
                product += dY[i] * ((x[i] - centre) * scale);
            }
        }

        Sums all = GroupTree.Reduce<Sums, Sums.Addition>(scratch, new Sums(sum, product), walk.Sharers, walk.Stride);
        if (walk.Writes)
            parts[walk.Slot] = all;
    }

    [GpuKernel(MostRanges)]
    private static void FinishGradientSumsKernel(
        BatchNormShape shape, ArrayView<Sums> parts, int ranges, ArrayView<int> lengths, ArrayView<float> dWeight, ArrayView<float> dBias, ArrayView<Sums> means)
    {
        ArrayView<Sums> scratch = SharedMemory.Allocate<Sums>(MostRanges);
        int channel = Grid.IdxX;
        Sums all = default;
        if (Group.IdxX < ranges)
            all = parts[channel * ranges + Group.IdxX];
        all = GroupTree.Reduce<Sums, Sums.Addition>(scratch, all, MostRanges, 1);
        if (Group.IdxX > 0)
            return;

        dWeight[channel] += all.Product;
        dBias[channel] += all.Gradient;
        int count = 0;
        for (int n = 0; n < shape.N; n++)
            count += lengths[n] * shape.F;
        float share = 0;
        if (count > 0)
            share = 1f / count;
        means[channel] = new Sums(all.Gradient * share, all.Product * share);
    }

    [GpuKernel(Threads)]
    private static void GradientKernel(
        BatchNormShape shape, ArrayView<float> x, ArrayView<int> lengths, ArrayView<float> weight, ArrayView<float> mean, ArrayView<float> inverseDeviation,
        ArrayView<Sums> means, ArrayView<float> dY, ArrayView<float> dX)
    {
        var walk = new BatchNormWalk(shape);
        if (walk.Channel >= shape.C)
            return;
        float centre = mean[walk.Channel];
        float scale = inverseDeviation[walk.Channel];
        float factor = weight[walk.Channel] * scale;
        Sums average = means[walk.Channel];
        for (int row = walk.FirstRow; row < walk.EndRow; row += walk.RowStep)
        {
            int valid = lengths[walk.Utterance(row)];
            for (int t = walk.FirstFrame, i = walk.Index(row); t < walk.EndFrame; t += walk.FrameStep, i += walk.ElementStep)
            {
                float gradient = 0;
                if (t < valid)
                    gradient = factor * (dY[i] - average.Gradient - (x[i] - centre) * scale * average.Product);
                dX[i] = gradient;
            }
        }
    }

    /// <summary>The number, mean and sum of squared deviations of some elements.</summary>
    internal readonly record struct Moments(float Count, float Mean, float Squares)
    {
        /// <summary>The size of it in a workspace.</summary>
        public const int Floats = 3;

        /// <summary>The moments of two disjoint sets' union. Source: Chan, Golub, LeVeque, "Updating formulae", COMPSTAT 1982.</summary>
        internal readonly struct Union : IGroupOperation<Moments>
        {
            /// <inheritdoc/>
            public Moments Combine(Moments left, Moments right)
            {
                float count = left.Count + right.Count;
                if (count == 0)
                    return left;
                float delta = right.Mean - left.Mean;
                float share = right.Count / count;
                return new Moments(count, left.Mean + delta * share, left.Squares + right.Squares + delta * delta * left.Count * share);
            }
        }
    }

    /// <summary>Sums of dY, and of dY times the normalised input; or their means.</summary>
    internal readonly record struct Sums(float Gradient, float Product)
    {
        /// <summary>The size of it in a workspace.</summary>
        public const int Floats = 2;

        /// <summary>Addition.</summary>
        internal readonly struct Addition : IGroupOperation<Sums>
        {
            /// <inheritdoc/>
            public Sums Combine(Sums left, Sums right) => new(left.Gradient + right.Gradient, left.Product + right.Product);
        }
    }
}
