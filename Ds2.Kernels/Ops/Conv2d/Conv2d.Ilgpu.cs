using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using AddPixelsLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int>;
using AddSlicesLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int>;
using PackLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, IlgpuConv2d.PackedTaps>;

/// <summary><see cref="Conv2d"/> on a GPU: forward pass and data gradient by <see cref="CorrelationKernel"/>, weight gradient by <see cref="TapGradientKernel"/>.</summary>
/// <remarks>
/// Data gradient: with stride s, input pixel h meets only the taps r with (h + pad - r) divisible by s; the pixels of one residue class share their taps,
/// and their gradient is a correlation of dY with these, reversed: one launch for each class.
/// The weight is first laid out with the output channels innermost, so that a block of taps is one contiguous piece.
/// </remarks>
internal sealed class IlgpuConv2d(IlgpuEngine engine) : Conv2d(engine)
{
    private const int Threads = 256;
    private const int TileOutputs = CorrelationKernel.TileOutputs;
    private const int Sector = 8;

    private readonly CorrelationKernel correlation = new(engine);
    private readonly TapGradientKernel tapGradient = new(engine);

    private readonly PackLauncher pack = engine.Load<PackLauncher>(PackKernel);
    private readonly AddSlicesLauncher addSlices = engine.Load<AddSlicesLauncher>(AddSlicesKernel);
    private readonly AddPixelsLauncher addPixels = engine.Load<AddPixelsLauncher>(AddPixelsKernel);

    /// <inheritdoc/>
    public override int ForwardWorkspace(Conv2dShape shape) => Workspace.Round(PackedLength(shape.K, shape.Window));

    /// <inheritdoc/>
    public override int BackwardWorkspace(Conv2dShape shape) =>
        shape.Y.Length == 0 || shape.Weight.Length == 0
            ? 0
            : checked(Workspace.Round(PackedLength(shape.C, shape.K * shape.R * shape.S))
                + Workspace.Round(TapGradientKernel.Slices(shape) * shape.Weight.Length));

    /// <inheritdoc/>
    protected override void ForwardCore(Conv2dShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Workspace workspace)
    {
        int pixels = shape.OutH * shape.OutW;
        Tensor packed = workspace.Take(new Shape(PackedLength(shape.K, shape.Window)));
        Pack(weight, packed.View(), new PackedTaps
        {
            Outputs = shape.K,
            Channels = shape.C,
            TapRows = shape.R,
            TapColumns = shape.S,
            RowStep = 1,
            ColumnStep = 1,
            OutputStride = shape.Window,
            ChannelStride = shape.R * shape.S,
            RowStride = shape.S,
        });
        var forward = new Correlation
        {
            Channels = shape.C,
            Height = shape.H,
            Width = shape.W,
            Outputs = shape.K,
            Rows = shape.OutH,
            Columns = shape.OutW,
            TapRows = shape.R,
            TapColumns = shape.S,
            RowScale = shape.StrideH,
            RowShift = -shape.PadH,
            ColumnScale = shape.StrideW,
            ColumnShift = -shape.PadW,
            OutputImage = shape.K * pixels,
            OutputChannel = pixels,
            OutputRow = shape.OutW,
            OutputColumn = 1,
            HasBias = 1,
        };
        correlation.Launch(forward, shape.N, x.View(), packed.View(), bias.View(), y.View());
    }

    /// <inheritdoc/>
    protected override void BackwardCore(
        Conv2dShape shape, Tensor x, Tensor weight, Tensor dY, Tensor? dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        addPixels(Gpu.Stream, new KernelConfig(shape.K, Threads), dY.View(), dBias.View(), shape.N, shape.OutH * shape.OutW);
        if (shape.Weight.Length == 0)
            return;
        Tensor packed = workspace.Take(new Shape(PackedLength(shape.C, shape.K * shape.R * shape.S)));
        Tensor partial = workspace.Take(new Shape(TapGradientKernel.Slices(shape), shape.Weight.Length));
        tapGradient.Launch(shape, x.View(), dY.View(), partial.View());
        addSlices(
            Gpu.Stream, IlgpuEngine.Cover(shape.Weight.Length, Threads), partial.View(), dWeight.View(), shape.Weight.Length, partial.Shape[0]);
        if (dX is null)
            return;
        int taken = 0;
        for (int a = 0; a < Math.Min(shape.StrideH, shape.H); a++)
            for (int b = 0; b < Math.Min(shape.StrideW, shape.W); b++)
                taken += DataGradient(shape, weight, dY, dX, packed, taken, a, b);
    }

    private static int PackedLength(int outputs, int taps) => checked(CorrelationKernel.Tiles(outputs) * TileOutputs * taps);

    /// <summary>dX at the pixels of one residue class: rows a, a + StrideH, …, columns b, b + StrideW, …; returns how much of <paramref name="packed"/> it took.</summary>
    private int DataGradient(Conv2dShape shape, Tensor weight, Tensor dY, Tensor dX, Tensor packed, int taken, int a, int b)
    {
        int firstTapRow = (a + shape.PadH) % shape.StrideH;
        int firstTapColumn = (b + shape.PadW) % shape.StrideW;
        int tapRows = Math.Max(0, (shape.R - firstTapRow + shape.StrideH - 1) / shape.StrideH);
        int tapColumns = Math.Max(0, (shape.S - firstTapColumn + shape.StrideW - 1) / shape.StrideW);
        int length = PackedLength(shape.C, shape.K * tapRows * tapColumns);
        ArrayView<float> taps = packed.View();
        if (length > 0)
        {
            taps = taps.SubView(taken, length);
            Pack(weight, taps, new PackedTaps
            {
                Outputs = shape.C,
                Channels = shape.K,
                TapRows = tapRows,
                TapColumns = tapColumns,
                FirstRow = firstTapRow + (tapRows - 1) * shape.StrideH,
                RowStep = -shape.StrideH,
                FirstColumn = firstTapColumn + (tapColumns - 1) * shape.StrideW,
                ColumnStep = -shape.StrideW,
                OutputStride = shape.R * shape.S,
                ChannelStride = shape.Window,
                RowStride = shape.S,
            });
        }

        var gradient = new Correlation
        {
            Channels = shape.K,
            Height = shape.OutH,
            Width = shape.OutW,
            Outputs = shape.C,
            Rows = (shape.H - a + shape.StrideH - 1) / shape.StrideH,
            Columns = (shape.W - b + shape.StrideW - 1) / shape.StrideW,
            TapRows = tapRows,
            TapColumns = tapColumns,
            RowScale = 1,
            RowShift = (a + shape.PadH) / shape.StrideH - (tapRows - 1),
            ColumnScale = 1,
            ColumnShift = (b + shape.PadW) / shape.StrideW - (tapColumns - 1),
            OutputBase = a * shape.W + b,
            OutputImage = shape.C * shape.H * shape.W,
            OutputChannel = shape.H * shape.W,
            OutputRow = shape.StrideH * shape.W,
            OutputColumn = shape.StrideW,
        };
        correlation.Launch(gradient, shape.N, dY.View(), taps, dY.View(), dX.View());
        return length;
    }

    private void Pack(Tensor weight, ArrayView<float> taps, PackedTaps packed)
    {
        int length = PackedLength(packed.Outputs, packed.Channels * packed.TapRows * packed.TapColumns);
        if (length > 0)
            pack(Gpu.Stream, IlgpuEngine.Cover(length, Threads), weight.View(), taps, packed);
    }

    /// <summary>taps[tile, channel, i, j, o] = weight[output, channel, FirstRow + i RowStep, FirstColumn + j ColumnStep] for output 32 tile + o, zero beyond the last.</summary>
    [GpuKernel(Threads)]
    private static void PackKernel(ArrayView<float> weight, ArrayView<float> taps, PackedTaps packed)
    {
        int element = Grid.GlobalIndex.X;
        int tap = element / TileOutputs;
        int row = tap / packed.TapColumns;
        int plane = row / packed.TapRows;
        int tile = plane / packed.Channels;
        int output = tile * TileOutputs + element - tap * TileOutputs;
        if (tile * TileOutputs < packed.Outputs)
        {
            int i = row - plane * packed.TapRows;
            int j = tap - row * packed.TapColumns;
            float value = 0;
            if (output < packed.Outputs)
            {
                value = weight[
                    output * packed.OutputStride + (plane - tile * packed.Channels) * packed.ChannelStride
                    + (packed.FirstRow + i * packed.RowStep) * packed.RowStride + packed.FirstColumn + j * packed.ColumnStep];
            }

            taps[element] = value;
        }
    }

    /// <summary>total[i] += the sum of partial[slice, i], first slice first.</summary>
    [GpuKernel(Threads)]
    private static void AddSlicesKernel(ArrayView<float> partial, ArrayView<float> total, int length, int slices)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
        {
            float sum = 0;
            for (int slice = 0; slice < slices; slice++)
                sum += partial[slice * length + i];
            total[i] += sum;
        }
    }

    /// <summary>dBias[k] += the sum of dY[n, k, pixel]; a group for each k, reduced as a tree.</summary>
    [GpuKernel(Threads)]
    private static void AddPixelsKernel(ArrayView<float> dY, ArrayView<float> dBias, int images, int pixels)
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(Threads);
        int thread = Group.IdxX;
        int k = Grid.IdxX;
        float sum = 0;
        for (int n = 0; n < images; n++)
        {
            int plane = (n * Grid.DimX + k) * pixels;
            for (int pixel = thread - (plane & (Sector - 1)); pixel < pixels; pixel += Threads)
            {
                // Planes start anywhere: the first lanes stay idle so that warps read whole 32-byte sectors.
                if (pixel >= 0)
                    sum += dY[plane + pixel];
            }
        }

        sums[thread] = sum;
        for (int half = Threads / 2; half > 0; half >>= 1)
        {
            Group.Barrier();
            if (thread < half)
                sums[thread] += sums[thread + half];
        }

        if (thread == 0)
            dBias[k] += sums[0];
    }

    /// <summary>Which of a weight's elements the taps of a correlation are.</summary>
    internal struct PackedTaps
    {
        /// <summary>Output channels of the correlation.</summary>
        public int Outputs;

        /// <summary>Channels of its image.</summary>
        public int Channels;

        /// <summary>Rows of its taps.</summary>
        public int TapRows;

        /// <summary>Columns of its taps.</summary>
        public int TapColumns;

        /// <summary>The weight's row of the first row of taps.</summary>
        public int FirstRow;

        /// <summary>The weight's rows from a row of taps to the next.</summary>
        public int RowStep;

        /// <summary>The weight's column of the first column of taps.</summary>
        public int FirstColumn;

        /// <summary>The weight's columns from a column of taps to the next.</summary>
        public int ColumnStep;

        /// <summary>The weight's elements from an output channel to the next.</summary>
        public int OutputStride;

        /// <summary>The weight's elements from an image channel to the next.</summary>
        public int ChannelStride;

        /// <summary>The weight's elements from a row to the next.</summary>
        public int RowStride;
    }
}
