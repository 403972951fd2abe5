using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using AddPixelsLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int>;
using AddSlicesLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, IlgpuConv2d.SlicedTaps>;
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
    public override int BackwardWorkspace(Conv2dShape shape)
    {
        if (shape.Y.Length == 0 || shape.Weight.Length == 0)
            return 0;
        TapGradient plan = TapGradientKernel.Plan(shape);
        return checked(Workspace.Round(PackedClassesLength(shape))
            + Workspace.Round(TapGradientKernel.MostSlices(shape, plan) * TapGradientKernel.SliceLength(shape, plan)));
    }

    /// <inheritdoc/>
    protected override void ForwardCore(Conv2dShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Workspace workspace)
    {
        int pixels = shape.OutH * shape.OutW;
        Tensor packed = workspace.Take(new Shape(PackedLength(shape.K, shape.Window)));
        Correlation forward = CorrelationKernel.Staged(new Correlation
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
        });
        Pack(weight, packed.View(), new PackedTaps
        {
            Outputs = shape.K,
            Channels = shape.C,
            TapRows = shape.R,
            TapColumns = shape.S,
            TapBlock = forward.TapBlock,
            Residues = forward.Residues,
            RowStep = 1,
            ColumnStep = 1,
            OutputStride = shape.Window,
            ChannelStride = shape.R * shape.S,
            RowStride = shape.S,
        });
        correlation.Launch(forward, shape.N, x.View(), packed.View(), bias.View(), y.View());
    }

    /// <inheritdoc/>
    protected override void BackwardCore(
        Conv2dShape shape, Tensor x, Tensor weight, Tensor dY, Tensor? dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        addPixels(Gpu.Stream, new KernelConfig(shape.K, Threads), dY.View(), dBias.View(), shape.N, shape.OutH * shape.OutW);
        if (shape.Weight.Length == 0)
            return;
        Tensor packed = workspace.Take(new Shape(PackedClassesLength(shape)));
        TapGradient plan = TapGradientKernel.Plan(shape);
        int slices = TapGradientKernel.Slices(shape, plan), sliceLength = TapGradientKernel.SliceLength(shape, plan);
        Tensor partial = workspace.Take(new Shape(slices, sliceLength));
        tapGradient.Launch(shape, plan, x.View(), dY.View(), partial.View());
        var sliced = new SlicedTaps
        {
            Slices = slices,
            Channels = shape.K,
            Rows = shape.C * shape.R,
            Columns = shape.S,
            Taps = plan.Taps,
            LinesPerRow = plan.LinesPerRow,
            Slots = plan.Slots,
            SlotPitch = plan.SlotPitch,
        };
        addSlices(Gpu.Stream, IlgpuEngine.Cover(sliceLength, Threads), partial.View(), dWeight.View(), sliced);
        if (dX is null)
            return;
        int taken = 0;
        for (int a = 0; a < Math.Min(shape.StrideH, shape.H); a++)
            for (int b = 0; b < Math.Min(shape.StrideW, shape.W); b++)
                taken += DataGradient(shape, weight, dY, dX, packed, taken, a, b);
    }

    private static int PackedLength(int outputs, int taps) => taps == 0 ? 0 : checked(CorrelationKernel.Tiles(outputs) * TileOutputs * taps + CorrelationKernel.TapsBehind);

    /// <summary>The taps of all residue classes of a data gradient, one class after the other.</summary>
    private static int PackedClassesLength(Conv2dShape shape)
    {
        int classes = Math.Min(shape.StrideH, shape.R) * Math.Min(shape.StrideW, shape.S);
        return checked(PackedLength(shape.C, shape.K * shape.R * shape.S) + (classes - 1) * CorrelationKernel.TapsBehind);
    }

    /// <summary>dX at the pixels of one residue class: rows a, a + StrideH, …, columns b, b + StrideW, …; returns how much of <paramref name="packed"/> it took.</summary>
    private int DataGradient(Conv2dShape shape, Tensor weight, Tensor dY, Tensor dX, Tensor packed, int taken, int a, int b)
    {
        int firstTapRow = (a + shape.PadH) % shape.StrideH;
        int firstTapColumn = (b + shape.PadW) % shape.StrideW;
        int tapRows = Math.Max(0, (shape.R - firstTapRow + shape.StrideH - 1) / shape.StrideH);
        int tapColumns = Math.Max(0, (shape.S - firstTapColumn + shape.StrideW - 1) / shape.StrideW);
        int length = PackedLength(shape.C, shape.K * tapRows * tapColumns);
        Correlation gradient = CorrelationKernel.Staged(new Correlation
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
        });
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
                TapBlock = gradient.TapBlock,
                Residues = gradient.Residues,
                FirstRow = firstTapRow + (tapRows - 1) * shape.StrideH,
                RowStep = -shape.StrideH,
                FirstColumn = firstTapColumn + (tapColumns - 1) * shape.StrideW,
                ColumnStep = -shape.StrideW,
                OutputStride = shape.R * shape.S,
                ChannelStride = shape.Window,
                RowStride = shape.S,
            });
        }

        correlation.Launch(gradient, shape.N, dY.View(), taps, dY.View(), dX.View());
        return length;
    }

    private void Pack(Tensor weight, ArrayView<float> taps, PackedTaps packed)
    {
        int length = PackedLength(packed.Outputs, packed.Channels * packed.TapRows * packed.TapColumns);
        if (length > 0)
            pack(Gpu.Stream, IlgpuEngine.Cover(length, Threads), weight.View(), taps, packed);
    }

    /// <summary>taps[tile, block, channel, i, m, o] = weight[output, channel, FirstRow + i RowStep, FirstColumn + j ColumnStep].</summary>
    /// <remarks>For output 32 tile + o, zero beyond the last, and behind all taps. A block has TapBlock columns, the last one what is left; m counts its columns residue by residue: 0, Residues, 2 Residues, …, 1, Residues + 1, …</remarks>
    [GpuKernel(Threads)]
    private static void PackKernel(ArrayView<float> weight, ArrayView<float> taps, PackedTaps packed)
    {
        int element = Grid.GlobalIndex.X;
        int tap = element / TileOutputs;
        int rows = packed.Channels * packed.TapRows;
        int tile = tap / (rows * packed.TapColumns);
        int output = tile * TileOutputs + element - tap * TileOutputs;
        float value = 0;
        if (output < packed.Outputs)
        {
            int rest = tap - tile * rows * packed.TapColumns;
            int column0 = rest / (rows * packed.TapBlock) * packed.TapBlock;
            int count = IntrinsicMath.Min(packed.TapBlock, packed.TapColumns - column0);
            rest -= rows * column0;
            int row = rest / count;
            int channel = row / packed.TapRows;
            int i = row - channel * packed.TapRows;
            int j = column0 + ColumnOf(rest - row * count, count, packed.Residues);
            value = weight[
                output * packed.OutputStride + channel * packed.ChannelStride
                + (packed.FirstRow + i * packed.RowStep) * packed.RowStride + packed.FirstColumn + j * packed.ColumnStep];
        }

        if (element < taps.IntLength)
            taps[element] = value;
    }

    /// <summary>The column in its block that is <paramref name="m"/>th of <paramref name="count"/> in the order of residues, of which the first ones have a column more.</summary>
    private static int ColumnOf(int m, int count, int residues)
    {
        int least = count / residues;
        int inLonger = (count - least * residues) * (least + 1);
        int length = m < inLonger ? least + 1 : least;
        int past = m < inLonger ? m : m - inLonger;
        int residue = past / length;
        return residue + (m < inLonger ? 0 : count - least * residues) + (past - residue * length) * residues;
    }

    /// <summary>dWeight += the sum of partial[slice, channel, line % 4, slot], first slice first, where the slots become lines' taps again.</summary>
    [GpuKernel(Threads)]
    private static void AddSlicesKernel(ArrayView<float> partial, ArrayView<float> dWeight, SlicedTaps taps)
    {
        int element = Grid.GlobalIndex.X;
        int part = element / taps.SlotPitch;
        int slot = element - part * taps.SlotPitch;
        int quad = slot / taps.Taps;
        int line = 4 * quad + (part & 3);
        int row = line / taps.LinesPerRow;
        int column = (line - row * taps.LinesPerRow) * taps.Taps + slot - quad * taps.Taps;
        if (part < 4 * taps.Channels & slot < taps.Slots & row < taps.Rows & column < taps.Columns)
        {
            float sum = 0;
            for (int slice = 0; slice < taps.Slices; slice++)
                sum += partial[slice * taps.Channels * 4 * taps.SlotPitch + element];
            dWeight[((part >> 2) * taps.Rows + row) * taps.Columns + column] += sum;
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

    /// <summary>Where the slices of a weight gradient have its elements; see <see cref="TapGradient"/>.</summary>
    internal struct SlicedTaps
    {
        /// <summary>Slices.</summary>
        public int Slices;

        /// <summary>Output channels.</summary>
        public int Channels;

        /// <summary>Rows of the kernel, of all input channels.</summary>
        public int Rows;

        /// <summary>Columns of the kernel.</summary>
        public int Columns;

        /// <summary>Taps of a line.</summary>
        public int Taps;

        /// <summary>Lines in a row of the kernel.</summary>
        public int LinesPerRow;

        /// <summary>Slots in all.</summary>
        public int Slots;

        /// <summary>Elements of a slice from a channel's taps in one line of each quad to those in the next.</summary>
        public int SlotPitch;
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

        /// <summary>Columns of taps that the correlation stages at a time.</summary>
        public int TapBlock;

        /// <summary>Lines of a row that it stages.</summary>
        public int Residues;

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
