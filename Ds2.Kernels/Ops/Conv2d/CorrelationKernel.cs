using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using CorrelationLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, Correlation>;

/// <summary>What one correlation of images with taps is: the forward pass and the data gradient of a convolution differ in these numbers alone.</summary>
/// <remarks>
/// out[n, o, p, q] = bias[o] + sum_{c,i,j} image[n, c, p RowScale + RowShift + i, q ColumnScale + ColumnShift + j] taps[c, i, j, o], the image zero
/// outside its bounds.
/// </remarks>
internal struct Correlation
{
    /// <summary>Channels of the image.</summary>
    public int Channels;

    /// <summary>Rows of the image.</summary>
    public int Height;

    /// <summary>Columns of the image.</summary>
    public int Width;

    /// <summary>Channels of the output.</summary>
    public int Outputs;

    /// <summary>Rows of the output.</summary>
    public int Rows;

    /// <summary>Columns of the output.</summary>
    public int Columns;

    /// <summary>Rows of the taps.</summary>
    public int TapRows;

    /// <summary>Columns of the taps.</summary>
    public int TapColumns;

    public int RowScale;
    public int RowShift;
    public int ColumnScale;
    public int ColumnShift;

    /// <summary>The output's first element.</summary>
    public int OutputBase;

    /// <summary>Output elements from an image to the next.</summary>
    public int OutputImage;

    /// <summary>Output elements from a channel to the next.</summary>
    public int OutputChannel;

    /// <summary>Output elements from a row to the next.</summary>
    public int OutputRow;

    /// <summary>Output elements from a column to the next.</summary>
    public int OutputColumn;

    /// <summary>Whether a bias is added to each channel.</summary>
    public int HasBias;

    /// <summary>Tiles, counted over all images, that other launches compute before this one's first; set by the launcher.</summary>
    public int FirstTile;

    /// <summary>Columns of taps that are staged at a time; set by the launcher.</summary>
    public int TapBlock;

    /// <summary>Image columns from a staged element to the next; set by the launcher.</summary>
    public int StagedStep;

    /// <summary>Staged elements from an output column's to the next one's; set by the launcher.</summary>
    public int ReadStride;
}

/// <summary>The correlation of images with taps as an implicit matrix product: the window matrix is never stored, nor is any index computed for one of its elements.</summary>
/// <remarks>
/// A group of 64 threads makes 128 columns of one output row, for 32 output channels (DeepSpeech2 has 32). It walks over the channels and rows of the window:
/// of each it puts one segment of an image row and the row's taps into shared memory, where tap j of column q is the segment's element q ColumnScale + j.
/// A warp has 16 channels, a lane four columns 32 apart: 8 shared loads for 64 multiply-adds, free of bank conflicts, those of the taps the same for all lanes.
/// Rows of the window outside the image are skipped, not multiplied by zeros. Groups are small and many for each multiprocessor: while one waits for its
/// segment, others compute. Image and output rows start anywhere in memory: the first lanes stay idle so that every warp moves whole 32-byte sectors.
/// Each element is one chain of multiply-adds, in the order of (c, i, j). Source: Chetlur et al., arXiv:1410.0759, section 3.
/// </remarks>
internal sealed class CorrelationKernel(IlgpuEngine engine)
{
    /// <summary>Output channels of a group.</summary>
    public const int TileOutputs = 32;

    /// <summary>Output columns of a group.</summary>
    public const int TileColumns = 128;

    private const int Threads = 64;
    private const int MostTaps = 16;
    private const int MostStride = 8;

    /// <summary>Floats in a sector, the least that memory moves.</summary>
    private const int Sector = 8;

    // In units of Float4: the taps of a block for all channels, and the longest segment. The output passes through the segment's memory, eight rows at a time.
    private const int TapRow = TileOutputs / 4;
    private const int SharedTaps = MostTaps * TapRow;
    private const int OutputPitch = TileColumns + 4;
    private const int SharedSegment = 8 * OutputPitch / 4;

    private readonly CorrelationLauncher correlate = engine.Load<CorrelationLauncher>(CorrelateKernel);

    /// <summary>Groups of <see cref="TileOutputs"/> channels.</summary>
    public static int Tiles(int outputs) => (outputs + TileOutputs - 1) / TileOutputs;

    /// <summary>Queues the correlation, or nothing where the output is empty.</summary>
    /// <param name="correlation">What to compute.</param>
    /// <param name="images">Images.</param>
    /// <param name="image">[images, Channels, Height, Width].</param>
    /// <param name="taps">[Tiles(Outputs), Channels, TapRows, TapColumns, 32], zero for outputs that do not exist.</param>
    /// <param name="bias">[Outputs]; not read without HasBias.</param>
    /// <param name="output">Overwritten where the strides lead.</param>
    public void Launch(Correlation correlation, int images, ArrayView<float> image, ArrayView<float> taps, ArrayView<float> bias, ArrayView<float> output)
    {
        if (correlation.Outputs == 0 || correlation.Rows == 0 || correlation.Columns == 0 || images == 0)
            return;

        // Far apart, the columns of one tap are staged without those between them, and taps one by one.
        bool dense = correlation.ColumnScale <= MostStride;
        correlation.TapBlock = dense ? Math.Min(correlation.TapColumns, MostTaps) : 1;
        correlation.StagedStep = dense ? 1 : correlation.ColumnScale;
        correlation.ReadStride = dense ? correlation.ColumnScale : 1;
        int tiles = images * Tiles(correlation.Outputs);
        for (correlation.FirstTile = 0; correlation.FirstTile < tiles; correlation.FirstTile += engine.GridDepth)
        {
            var grid = new Index3D(
                (correlation.Columns + TileColumns - 1) / TileColumns, correlation.Rows, Math.Min(engine.GridDepth, tiles - correlation.FirstTile));
            correlate(engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), image, taps, bias, output, correlation);
        }
    }

    [GpuKernel(Threads)]
    private static void CorrelateKernel(ArrayView<float> image, ArrayView<float> taps, ArrayView<float> bias, ArrayView<float> output, Correlation correlation)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(SharedTaps + SharedSegment);
        ArrayView<float> segment = shared.SubView(SharedTaps, SharedSegment).Cast<float>();
        int lane = Group.IdxX & 31;
        int warp = Group.IdxX >> 5;
        int tiles = (correlation.Outputs + TileOutputs - 1) / TileOutputs;
        int n = (correlation.FirstTile + Grid.IdxZ) / tiles;
        int tile = correlation.FirstTile + Grid.IdxZ - n * tiles;
        int column0 = Grid.IdxX * TileColumns;
        int columns = IntrinsicMath.Min(TileColumns, correlation.Columns - column0);
        bool active = tile * TileOutputs + 16 * warp < correlation.Outputs;

        // The rows of the window that lie inside the image.
        int row0 = Grid.IdxY * correlation.RowScale + correlation.RowShift;
        int firstTapRow = IntrinsicMath.Max(0, -row0);
        int endTapRow = IntrinsicMath.Min(correlation.TapRows, correlation.Height - row0);
        int imageColumn0 = column0 * correlation.ColumnScale + correlation.ColumnShift;

        int slab = 32 * correlation.ReadStride;
        ArrayView<Float4> laneTaps = shared.SubView(4 * warp, SharedTaps - 4 * warp);
        ArrayView<float> columns0 = segment.SubView(lane * correlation.ReadStride, 32);
        ArrayView<float> columns1 = segment.SubView(lane * correlation.ReadStride + slab, 32);
        ArrayView<float> columns2 = segment.SubView(lane * correlation.ReadStride + 2 * slab, 32);
        ArrayView<float> columns3 = segment.SubView(lane * correlation.ReadStride + 3 * slab, 32);
        Tile16x4 sum = default;
        for (int c = 0; c < correlation.Channels; c++)
        {
            for (int i = firstTapRow; i < endTapRow; i++)
            {
                int imageRow = ((n * correlation.Channels + c) * correlation.Height + row0 + i) * correlation.Width;
                int tapRow = ((tile * correlation.Channels + c) * correlation.TapRows + i) * correlation.TapColumns;
                for (int j0 = 0; j0 < correlation.TapColumns; j0 += correlation.TapBlock)
                {
                    int count = IntrinsicMath.Min(correlation.TapBlock, correlation.TapColumns - j0);
                    Group.Barrier(); // Until now, others may have read the last segment.
                    StageTaps(taps, shared, (tapRow + j0) * TapRow, count * TapRow);
                    StageSegment(image, segment, correlation, imageRow, imageColumn0 + j0, (columns - 1) * correlation.ReadStride + count);
                    Group.Barrier();
                    if (active)
                    {
                        // Views, so that the loads of two taps share their address registers: the second's offsets are then immediate.
                        int j = 0;
                        for (; j + 1 < count; j += 2)
                        {
                            ArrayView<Float4> twoTaps = laneTaps.SubView(j * TapRow, TapRow + 4);
                            ArrayView<float> two0 = columns0.SubView(j, 2);
                            ArrayView<float> two1 = columns1.SubView(j, 2);
                            ArrayView<float> two2 = columns2.SubView(j, 2);
                            ArrayView<float> two3 = columns3.SubView(j, 2);
                            MultiplyAdd(ref sum, twoTaps, 0, two0, two1, two2, two3, 0);
                            MultiplyAdd(ref sum, twoTaps, TapRow, two0, two1, two2, two3, 1);
                        }

                        if (j < count)
                            MultiplyAdd(ref sum, laneTaps, j * TapRow, columns0, columns1, columns2, columns3, j);
                    }
                }
            }
        }

        int first = correlation.OutputBase + n * correlation.OutputImage + Grid.IdxY * correlation.OutputRow + column0 * correlation.OutputColumn;
        int output0 = tile * TileOutputs;
        Store(output, bias, segment, correlation, first, output0, columns, sum.S0, sum.S1, sum.S2, sum.S3);
        Store(output, bias, segment, correlation, first, output0 + 4, columns, sum.S4, sum.S5, sum.S6, sum.S7);
        Store(output, bias, segment, correlation, first, output0 + 8, columns, sum.S8, sum.S9, sum.S10, sum.S11);
        Store(output, bias, segment, correlation, first, output0 + 12, columns, sum.S12, sum.S13, sum.S14, sum.S15);
    }

    /// <summary>Puts a block of taps, for all 32 channels, into shared memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageTaps(ArrayView<float> taps, ArrayView<Float4> shared, int first, int count)
    {
        ArrayView<Float4> fours = taps.Cast<Float4>();
        int thread = Group.IdxX;
        if (thread + Threads < count)
        {
            Float4 low = fours[first + thread];
            Float4 high = fours[first + thread + Threads];
            shared[thread] = low;
            shared[thread + Threads] = high;
        }
        else if (thread < count)
        {
            shared[thread] = fours[first + thread];
        }
    }

    /// <summary>Puts <paramref name="length"/> elements of an image row into shared memory, zero outside the image.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageSegment(
        ArrayView<float> image, ArrayView<float> segment, Correlation correlation, int imageRow, int imageColumn, int length)
    {
        int ahead = correlation.StagedStep == 1 ? (imageRow + imageColumn) & (Sector - 1) : 0;
        for (int p = Group.IdxX - ahead; p < length; p += 4 * Threads)
        {
            // All four on their way before the first is waited for.
            float value0 = Read(image, correlation, imageRow, imageColumn, p, length);
            float value1 = Read(image, correlation, imageRow, imageColumn, p + Threads, length);
            float value2 = Read(image, correlation, imageRow, imageColumn, p + 2 * Threads, length);
            float value3 = Read(image, correlation, imageRow, imageColumn, p + 3 * Threads, length);
            Put(segment, p, length, value0);
            Put(segment, p + Threads, length, value1);
            Put(segment, p + 2 * Threads, length, value2);
            Put(segment, p + 3 * Threads, length, value3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Read(ArrayView<float> image, Correlation correlation, int imageRow, int imageColumn, int p, int length)
    {
        int column = imageColumn + p * correlation.StagedStep;
        float value = 0;
        if ((uint)p < (uint)length && (uint)column < (uint)correlation.Width)
            value = image[imageRow + column];
        return value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(ArrayView<float> segment, int p, int length, float value)
    {
        if ((uint)p < (uint)length)
            segment[p] = value;
    }

    /// <summary>Adds the products of one tap: sixteen channels, four columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(
        ref Tile16x4 sum, ArrayView<Float4> taps, int tap,
        ArrayView<float> columns0, ArrayView<float> columns1, ArrayView<float> columns2, ArrayView<float> columns3, int j)
    {
        var x = new Float4(columns0[j], columns1[j], columns2[j], columns3[j]);
        Float4 w = taps[tap];
        sum.S0 = Float4.MultiplyAdd(w.X, x, sum.S0);
        sum.S1 = Float4.MultiplyAdd(w.Y, x, sum.S1);
        sum.S2 = Float4.MultiplyAdd(w.Z, x, sum.S2);
        sum.S3 = Float4.MultiplyAdd(w.W, x, sum.S3);
        w = taps[tap + 1];
        sum.S4 = Float4.MultiplyAdd(w.X, x, sum.S4);
        sum.S5 = Float4.MultiplyAdd(w.Y, x, sum.S5);
        sum.S6 = Float4.MultiplyAdd(w.Z, x, sum.S6);
        sum.S7 = Float4.MultiplyAdd(w.W, x, sum.S7);
        w = taps[tap + 2];
        sum.S8 = Float4.MultiplyAdd(w.X, x, sum.S8);
        sum.S9 = Float4.MultiplyAdd(w.Y, x, sum.S9);
        sum.S10 = Float4.MultiplyAdd(w.Z, x, sum.S10);
        sum.S11 = Float4.MultiplyAdd(w.W, x, sum.S11);
        w = taps[tap + 3];
        sum.S12 = Float4.MultiplyAdd(w.X, x, sum.S12);
        sum.S13 = Float4.MultiplyAdd(w.Y, x, sum.S13);
        sum.S14 = Float4.MultiplyAdd(w.Z, x, sum.S14);
        sum.S15 = Float4.MultiplyAdd(w.W, x, sum.S15);
    }

    /// <summary>Stores four channels of each warp, through shared memory, so that each row is written from the start of a sector on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        ArrayView<float> output, ArrayView<float> bias, ArrayView<float> segment, Correlation correlation, int first, int output0, int columns,
        Float4 s0, Float4 s1, Float4 s2, Float4 s3)
    {
        int lane = Group.IdxX & 31;
        int row = (Group.IdxX >> 5) * 4;
        Group.Barrier();
        PutRow(segment, row * OutputPitch + lane, s0);
        PutRow(segment, (row + 1) * OutputPitch + lane, s1);
        PutRow(segment, (row + 2) * OutputPitch + lane, s2);
        PutRow(segment, (row + 3) * OutputPitch + lane, s3);
        Group.Barrier();
        for (row = 0; row < 8; row++)
        {
            int channel = output0 + (row >> 2) * 16 + (row & 3);
            if (channel < correlation.Outputs)
            {
                int start = first + channel * correlation.OutputChannel;
                float shift = 0;
                if (correlation.HasBias != 0)
                    shift = bias[channel];
                for (int p = Group.IdxX - (start & (Sector - 1)); p < columns; p += Threads)
                {
                    if (p >= 0)
                        output[start + p * correlation.OutputColumn] = segment[row * OutputPitch + p] + shift;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutRow(ArrayView<float> segment, int index, Float4 columns)
    {
        segment[index] = columns.X;
        segment[index + 32] = columns.Y;
        segment[index + 64] = columns.Z;
        segment[index + 96] = columns.W;
    }

    /// <summary>A thread's part of the tile: sixteen channels of four columns each.</summary>
    private struct Tile16x4
    {
        public Float4 S0, S1, S2, S3;
        public Float4 S4, S5, S6, S7;
        public Float4 S8, S9, S10, S11;
        public Float4 S12, S13, S14, S15;
    }
}
