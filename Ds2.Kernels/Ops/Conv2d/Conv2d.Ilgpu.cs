using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Conv2d"/> on a GPU: three uses of <see cref="ImplicitProduct"/>.</summary>
/// <remarks>
/// Forward: weight times the input's windows. Weight gradient: dY times the input, windows as columns and pixels summed; the sum is cut into slices,
/// whose partial sums are then added in order. Data gradient: with stride s, input pixel h meets only the taps r with (h + pad - r) divisible by s;
/// the pixels of one residue class share their taps, and their gradient is a convolution of dY with stride 1, one launch for each class.
/// </remarks>
internal sealed class IlgpuConv2d(IlgpuEngine engine) : Conv2d(engine)
{
    private const int Threads = 256;

    // Four groups for each multiprocessor of a P100, so that the last to finish does not keep the others waiting long.
    private const int GroupsWanted = 224;
    private const int ShortestChunk = 512;

    private readonly IlgpuEngine engine = engine;
    private readonly ImplicitProduct product = new(engine);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, Conv2dShape, ResidueClass> pack =
        engine.Load<Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, Conv2dShape, ResidueClass>>(PackKernel);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int> addSlices =
        engine.Load<Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int>>(AddSlicesKernel);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int> addPixels =
        engine.Load<Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int>>(AddPixelsKernel);

    /// <inheritdoc/>
    public override int ForwardWorkspace(Conv2dShape shape) => 0;

    /// <inheritdoc/>
    public override int BackwardWorkspace(Conv2dShape shape) =>
        shape.Y.Length == 0 ? 0 : checked(Workspace.Round(shape.Weight.Length) + Workspace.Round(Slices(shape) * shape.Weight.Length));

    /// <inheritdoc/>
    protected override void ForwardCore(Conv2dShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Workspace workspace)
    {
        int pixels = shape.OutH * shape.OutW;
        var arguments = new ImplicitArguments
        {
            Rows = shape.K,
            Columns = shape.N * pixels,
            Digit1 = shape.OutH,
            Digit2 = shape.OutW,
            Height = shape.H,
            Width = shape.W,
            ColumnStride = shape.C * shape.H * shape.W,
            RowScale = shape.StrideH,
            RowShift = -shape.PadH,
            ColumnScale = shape.StrideW,
            ColumnShift = -shape.PadW,
            Depth = shape.Window,
            WalkRows = shape.R,
            WalkColumns = shape.S,
            WalkStride = shape.H * shape.W,
            RowStep = 1,
            ColumnStep = 1,
            Chunks = 1,
            ChunkLength = shape.Window,
            StrideA = shape.Window,
            OutputRow = pixels,
            Output0 = shape.K * pixels,
            Output1 = shape.OutW,
            Output2 = 1,
            HasBias = 1,
        };
        product.Multiply(arguments, 1, weight.View(), x.View(), y.View(), bias.View());
    }

    /// <inheritdoc/>
    protected override void BackwardCore(
        Conv2dShape shape, Tensor x, Tensor weight, Tensor dY, Tensor? dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        int pixels = shape.OutH * shape.OutW;
        addPixels(engine.Stream, new KernelConfig(shape.K, Threads), dY.View(), dBias.View(), shape.N, pixels);
        if (shape.Weight.Length == 0)
            return;
        Tensor packed = workspace.Take(new Shape(shape.Weight.Length));
        Tensor partial = workspace.Take(new Shape(Slices(shape), shape.Weight.Length));
        WeightGradient(shape, x, dY, partial, dWeight);
        if (dX is not null)
            DataGradient(shape, weight, dY, dX, packed);
    }

    private static int Slices(Conv2dShape shape)
    {
        int pixels = shape.OutH * shape.OutW;
        int length = ChunkLength(shape);
        return checked(shape.N * ((pixels + length - 1) / length));
    }

    /// <summary>How many pixels of an image one slice of the weight gradient sums.</summary>
    private static int ChunkLength(Conv2dShape shape)
    {
        int pixels = shape.OutH * shape.OutW;
        int tiles = Math.Max(1, (shape.K + ImplicitProduct.TileRows - 1) / ImplicitProduct.TileRows
            * ((shape.Window + ImplicitProduct.TileColumns - 1) / ImplicitProduct.TileColumns));
        int wanted = GroupsWanted / Math.Max(1, tiles * shape.N) + 1;
        int chunks = Math.Clamp(wanted, 1, (pixels + ShortestChunk - 1) / ShortestChunk);
        return (pixels + chunks - 1) / chunks;
    }

    private void WeightGradient(Conv2dShape shape, Tensor x, Tensor dY, Tensor partial, Tensor dWeight)
    {
        int pixels = shape.OutH * shape.OutW;
        int length = ChunkLength(shape);
        var arguments = new ImplicitArguments
        {
            Rows = shape.K,
            Columns = shape.Window,
            Digit1 = shape.R,
            Digit2 = shape.S,
            Height = shape.H,
            Width = shape.W,
            ColumnStride = shape.H * shape.W,
            RowScale = 1,
            RowShift = -shape.PadH,
            ColumnScale = 1,
            ColumnShift = -shape.PadW,
            Depth = pixels,
            WalkRows = shape.OutH,
            WalkColumns = shape.OutW,
            RowStep = shape.StrideH,
            ColumnStep = shape.StrideW,
            Chunks = (pixels + length - 1) / length,
            ChunkLength = length,
            StrideA = pixels,
            ImageStrideA = shape.K * pixels,
            ImageStride = shape.C * shape.H * shape.W,
            OutputSlice = shape.Weight.Length,
            OutputRow = shape.Window,
            Output0 = shape.R * shape.S,
            Output1 = shape.S,
            Output2 = 1,
        };
        product.Multiply(arguments, shape.N, dY.View(), x.View(), partial.View(), dY.View());
        addSlices(
            engine.Stream, IlgpuEngine.Cover(shape.Weight.Length, Threads), partial.View(), dWeight.View(), shape.Weight.Length, partial.Shape[0]);
    }

    private void DataGradient(Conv2dShape shape, Tensor weight, Tensor dY, Tensor dX, Tensor packed)
    {
        int pixels = shape.OutH * shape.OutW;
        int taken = 0;
        for (int a = 0; a < Math.Min(shape.StrideH, shape.H); a++)
        {
            for (int b = 0; b < Math.Min(shape.StrideW, shape.W); b++)
            {
                var residue = new ResidueClass
                {
                    FirstRow = (a + shape.PadH) % shape.StrideH,
                    FirstColumn = (b + shape.PadW) % shape.StrideW,
                };
                residue.Rows = Math.Max(0, (shape.R - residue.FirstRow + shape.StrideH - 1) / shape.StrideH);
                residue.Columns = Math.Max(0, (shape.S - residue.FirstColumn + shape.StrideW - 1) / shape.StrideW);
                int depth = shape.K * residue.Rows * residue.Columns;
                ArrayView<float> taps = depth > 0 ? packed.View().SubView(taken, shape.C * depth) : packed.View();
                taken += shape.C * depth;
                if (depth > 0)
                    pack(engine.Stream, IlgpuEngine.Cover(shape.C * depth, Threads), weight.View(), taps, shape, residue);
                int rows = (shape.H - a + shape.StrideH - 1) / shape.StrideH;
                int columns = (shape.W - b + shape.StrideW - 1) / shape.StrideW;
                var arguments = new ImplicitArguments
                {
                    Rows = shape.C,
                    Columns = shape.N * rows * columns,
                    Digit1 = rows,
                    Digit2 = columns,
                    Height = shape.OutH,
                    Width = shape.OutW,
                    ColumnStride = shape.K * pixels,
                    RowScale = 1,
                    RowShift = (a + shape.PadH) / shape.StrideH,
                    ColumnScale = 1,
                    ColumnShift = (b + shape.PadW) / shape.StrideW,
                    Depth = depth,
                    WalkRows = Math.Max(1, residue.Rows),
                    WalkColumns = Math.Max(1, residue.Columns),
                    WalkStride = pixels,
                    RowStep = -1,
                    ColumnStep = -1,
                    Chunks = 1,
                    ChunkLength = depth,
                    StrideA = depth,
                    OutputBase = a * shape.W + b,
                    OutputRow = shape.H * shape.W,
                    Output0 = shape.C * shape.H * shape.W,
                    Output1 = shape.StrideH * shape.W,
                    Output2 = shape.StrideW,
                };
                product.Multiply(arguments, 1, taps, dY.View(), dX.View(), dY.View());
            }
        }
    }

    /// <summary>taps[c, k, i, j] = weight[k, c, FirstRow + i StrideH, FirstColumn + j StrideW]: a residue class's taps as rows of a matrix.</summary>
    [GpuKernel(Threads)]
    private static void PackKernel(ArrayView<float> weight, ArrayView<float> taps, Conv2dShape shape, ResidueClass residue)
    {
        int element = Grid.GlobalIndex.X;
        int window = residue.Rows * residue.Columns;
        if (element < shape.C * shape.K * window)
        {
            int plane = element / window;
            int tap = element - plane * window;
            int c = plane / shape.K;
            int k = plane - c * shape.K;
            int i = tap / residue.Columns;
            int r = residue.FirstRow + i * shape.StrideH;
            int s = residue.FirstColumn + (tap - i * residue.Columns) * shape.StrideW;
            taps[element] = weight[((k * shape.C + c) * shape.R + r) * shape.S + s];
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
            for (int pixel = thread; pixel < pixels; pixel += Threads)
                sum += dY[plane + pixel];
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

    /// <summary>The taps that meet the input pixels of one residue class modulo the strides.</summary>
    internal struct ResidueClass
    {
        /// <summary>The first kernel row; the others follow at the stride.</summary>
        public int FirstRow;

        /// <summary>The first kernel column; the others follow at the stride.</summary>
        public int FirstColumn;

        /// <summary>Kernel rows.</summary>
        public int Rows;

        /// <summary>Kernel columns.</summary>
        public int Columns;
    }
}
