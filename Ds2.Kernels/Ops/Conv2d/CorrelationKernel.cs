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

    /// <summary>Rows of the window that are staged at a time; set by the launcher.</summary>
    public int StagedRows;

    /// <summary>Image columns from a staged element to the next; set by the launcher.</summary>
    public int StagedStep;

    /// <summary>Staged elements from an output column's to the next one's, and lines of a staged row; set by the launcher.</summary>
    public int Residues;

    /// <summary>65,536 / Residues, rounded up; set by the launcher.</summary>
    public int Reciprocal;

    /// <summary>How many of TapBlock columns of taps each staged line has, a byte each, the first line's lowest; set by the launcher.</summary>
    public uint LineTaps;

    /// <summary>The same of the last block's columns.</summary>
    public uint LastLineTaps;
}

/// <summary>The correlation of images with taps as an implicit matrix product: the window matrix is never stored, nor is any index computed for one of its elements.</summary>
/// <remarks>
/// A group of 64 threads makes 128 columns of one output row, for 32 output channels (DeepSpeech2 has 32). It walks over the channels of the window and, up to three
/// at a time, over its rows: of each it puts one segment of an image row and the row's taps into shared memory. Where the windows of neighbouring columns are
/// s apart, the segment lies there as s lines, one for each residue modulo s, and so do the taps: along a line, windows are one element apart.
/// A warp has 16 channels, a lane four columns 32 apart, and a line holds Float4 u = elements u, u + 32, u + 64, u + 96: a tap is five 128-bit shared loads, four
/// of them the same for all lanes, for 64 multiply-adds, all at immediate offsets, and each operand comes to the register bank that suits it.
/// Rows of the window outside the image are skipped, not multiplied by zeros. Groups are small and many for each multiprocessor: while one waits for its
/// segments, others compute. Output rows start anywhere in memory: the first lanes stay idle so that warps write whole 32-byte sectors.
/// Each element is one chain of multiply-adds, over blocks of tap columns, channels, rows, residues and columns, in this order.
/// Source: Chetlur et al., arXiv:1410.0759, section 3.
/// </remarks>
internal sealed class CorrelationKernel(IlgpuEngine engine)
{
    /// <summary>Output channels of a group.</summary>
    public const int TileOutputs = 32;

    /// <summary>Output columns of a group.</summary>
    public const int TileColumns = 128;

    private const int Threads = 64;
    private const int MostTaps = 16;
    private const int MostLines = 4;
    private const int MostRows = 3;

    /// <summary>Floats in a sector, the least that memory moves.</summary>
    private const int Sector = 8;

    // In units of Float4: three rows of up to twelve taps for all channels, and four lines. Eight groups, as many as registers allow, share 64 KB.
    private const int StagedTaps = 36;
    private const int TapRow = TileOutputs / 4;
    private const int SharedTaps = 5 * Threads; // At least as many as are staged: each thread fetches five.
    private const int LinePitch = 32 + MostTaps - 1;
    private const int SharedLines = MostLines * LinePitch;

    // The output passes through the same memory, four channels of a warp at a time.
    private const int OutputPitch = TileColumns + 4;

    private readonly CorrelationLauncher correlate = engine.Load<CorrelationLauncher>(CorrelateKernel);

    /// <summary>Floats behind the taps of a correlation that its groups fetch, and do not use.</summary>
    public const int TapsBehind = 4 * SharedTaps;

    /// <summary>Groups of <see cref="TileOutputs"/> channels.</summary>
    public static int Tiles(int outputs) => (outputs + TileOutputs - 1) / TileOutputs;

    /// <summary>Says how a correlation's image and taps are staged, from its TapColumns and ColumnScale.</summary>
    /// <remarks>Far apart, the columns of one tap are staged without those between them, and taps one by one.</remarks>
    public static Correlation Staged(Correlation correlation)
    {
        bool dense = correlation.ColumnScale <= MostLines;
        correlation.TapBlock = dense ? Math.Clamp(correlation.TapColumns, 1, Math.Min(MostTaps * correlation.ColumnScale, StagedTaps)) : 1;
        correlation.StagedStep = dense ? 1 : correlation.ColumnScale;
        correlation.Residues = dense ? correlation.ColumnScale : 1;
        int mostRows = correlation.ColumnScale == 1 ? MostRows : Math.Min(2, MostLines / correlation.Residues);
        correlation.StagedRows = Math.Min(mostRows, StagedTaps / correlation.TapBlock);
        correlation.Reciprocal = ((1 << 16) + correlation.Residues - 1) / correlation.Residues;
        correlation.LineTaps = LineTaps(correlation.TapBlock, correlation.Residues);
        correlation.LastLineTaps = LineTaps(correlation.TapColumns % correlation.TapBlock, correlation.Residues);
        return correlation;
    }

    /// <summary>Taps of each line, a byte each; the first residues have one more than others, and each staged row has the same lines.</summary>
    private static uint LineTaps(int columns, int residues)
    {
        uint taps = 0;
        for (int line = MostLines - 1; line >= 0; line--)
            taps = taps << 8 | (uint)((columns - line % residues + residues - 1) / residues);
        return taps;
    }

    /// <summary>Queues the correlation, or nothing where the output is empty.</summary>
    /// <param name="correlation">What to compute, <see cref="Staged"/>.</param>
    /// <param name="images">Images.</param>
    /// <param name="image">[images, Channels, Height, Width].</param>
    /// <param name="taps">[Tiles(Outputs), blocks of TapColumns, Channels, TapRows, columns of the block by their residue, 32], zero for outputs that do not exist, and <see cref="TapsBehind"/> floats more.</param>
    /// <param name="bias">[Outputs]; not read without HasBias.</param>
    /// <param name="output">Overwritten where the strides lead.</param>
    public void Launch(Correlation correlation, int images, ArrayView<float> image, ArrayView<float> taps, ArrayView<float> bias, ArrayView<float> output)
    {
        if (correlation.Outputs == 0 || correlation.Rows == 0 || correlation.Columns == 0 || images == 0)
            return;
        int tiles = images * Tiles(correlation.Outputs);
        for (correlation.FirstTile = 0; correlation.FirstTile < tiles; correlation.FirstTile += engine.GridDepth)
        {
            var grid = new Index3D(
                (correlation.Columns + TileColumns - 1) / TileColumns, correlation.Rows, Math.Min(engine.GridDepth, tiles - correlation.FirstTile));
            correlate(engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), image, taps, bias, output, correlation);
        }
    }

    [GpuKernel(Threads, GroupsPerMultiprocessor = 8)]
    private static void CorrelateKernel(ArrayView<float> image, ArrayView<float> taps, ArrayView<float> bias, ArrayView<float> output, Correlation correlation)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(SharedTaps + SharedLines);
        ArrayView<Float4> lines = shared.SubView(SharedTaps, SharedLines);
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

        ArrayView<Float4> laneTaps = shared.SubView(4 * warp, SharedTaps - 4 * warp);
        ArrayView<Float4> laneLines = lines.SubView(lane, SharedLines - lane);
        Tile16x4 sum = default;

        for (int j0 = 0; j0 < correlation.TapColumns; j0 += correlation.TapBlock)
        {
            int count = IntrinsicMath.Min(correlation.TapBlock, correlation.TapColumns - j0);
            uint lineTaps = count == correlation.TapBlock ? correlation.LineTaps : correlation.LastLineTaps;
            int imageColumn = column0 * correlation.ColumnScale + correlation.ColumnShift + j0;
            for (int c = 0; c < correlation.Channels; c++)
            {
                int imageRow = (n * correlation.Channels + c) * correlation.Height + row0;
                int tapRow = c * correlation.TapRows;
                int firstTap = (tile * correlation.TapColumns + j0) * correlation.Channels * correlation.TapRows;
                for (int i = firstTapRow; i < endTapRow; i += correlation.StagedRows)
                {
                    int rows = IntrinsicMath.Min(correlation.StagedRows, endTapRow - i);
                    Group.Barrier(); // Until now, others may have read the last rows.
                    int length = rows * count * TapRow;
                    StageTaps(taps.Cast<Float4>().SubView((firstTap + (tapRow + i) * count) * TapRow + Group.IdxX, 4 * Threads + 1), shared.SubView(Group.IdxX, 4 * Threads + 1));
                    int from = (imageRow + i) * correlation.Width;
                    if (correlation.Residues == 1 & correlation.StagedStep == 1)
                        StageRows(image, lines.Cast<float>(), correlation.Width, from, imageColumn, rows, count);
                    else
                        StageResidues(image, lines.Cast<float>(), correlation, from, imageColumn, rows, (columns - 1) * correlation.Residues + count);
                    Group.Barrier();

                    // A byte for each line: its taps. A warp without channels of its own leaves after a tap. Loops, not conditions, around the multiply-adds, and
                    // this one left at its end: where a sum may come from either of two ways, the assembler keeps it in two registers and copies it.
                    uint lefts = active ? lineTaps & (uint.MaxValue >> (32 - 8 * rows * correlation.Residues)) : 1;
                    int line = 0;
                    int tap = 0;
                    do
                    {
                        int left = (int)(lefts & 255);
                        int at = line;
                        for (; left > 5; left -= 6)
                        {
                            // Views, so that all loads share their address registers: the offsets are then immediate.
                            ArrayView<Float4> x = laneLines.SubView(at, 6);
                            ArrayView<Float4> w = laneTaps.SubView(tap, 6 * TapRow);
                            Tile16x4.MultiplyAdd(ref sum, w, 0, x[0]);
                            Tile16x4.MultiplyAdd(ref sum, w, TapRow, x[1]);
                            Tile16x4.MultiplyAdd(ref sum, w, 2 * TapRow, x[2]);
                            Tile16x4.MultiplyAdd(ref sum, w, 3 * TapRow, x[3]);
                            Tile16x4.MultiplyAdd(ref sum, w, 4 * TapRow, x[4]);
                            Tile16x4.MultiplyAdd(ref sum, w, 5 * TapRow, x[5]);
                            at += 6;
                            tap += 6 * TapRow;
                        }

                        for (; left > 4; left -= 5)
                        {
                            ArrayView<Float4> x = laneLines.SubView(at, 5);
                            ArrayView<Float4> w = laneTaps.SubView(tap, 5 * TapRow);
                            Tile16x4.MultiplyAdd(ref sum, w, 0, x[0]);
                            Tile16x4.MultiplyAdd(ref sum, w, TapRow, x[1]);
                            Tile16x4.MultiplyAdd(ref sum, w, 2 * TapRow, x[2]);
                            Tile16x4.MultiplyAdd(ref sum, w, 3 * TapRow, x[3]);
                            Tile16x4.MultiplyAdd(ref sum, w, 4 * TapRow, x[4]);
                            at += 5;
                            tap += 5 * TapRow;
                        }

                        for (; left > 0; left--)
                        {
                            Tile16x4.MultiplyAdd(ref sum, laneTaps.SubView(tap, TapRow), 0, laneLines[at]);
                            at++;
                            tap += TapRow;
                        }

                        lefts >>= 8;
                        line += LinePitch;
                    }
                    while (lefts != 0);
                }
            }
        }

        int first = correlation.OutputBase + n * correlation.OutputImage + Grid.IdxY * correlation.OutputRow + column0 * correlation.OutputColumn;
        int output0 = tile * TileOutputs + 16 * warp;
        ArrayView<float> own = shared.SubView(warp * OutputPitch, OutputPitch).Cast<float>();
        Store(output, bias, own, correlation, first, output0, columns, sum.S0, sum.S1, sum.S2, sum.S3);
        Store(output, bias, own, correlation, first, output0 + 4, columns, sum.S4, sum.S5, sum.S6, sum.S7);
        Store(output, bias, own, correlation, first, output0 + 8, columns, sum.S8, sum.S9, sum.S10, sum.S11);
        Store(output, bias, own, correlation, first, output0 + 12, columns, sum.S12, sum.S13, sum.S14, sum.S15);
    }

    /// <summary>Puts the taps of some rows, for all 32 channels, into shared memory, and what follows them: nobody reads that.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageTaps(ArrayView<Float4> from, ArrayView<Float4> to)
    {
        // All five are on their way before the first is waited for.
        Float4 taps0 = from[0];
        Float4 taps1 = from[Threads];
        Float4 taps2 = from[2 * Threads];
        Float4 taps3 = from[3 * Threads];
        Float4 taps4 = from[4 * Threads];
        to[0] = taps0;
        to[Threads] = taps1;
        to[2 * Threads] = taps2;
        to[3 * Threads] = taps3;
        to[4 * Threads] = taps4;
    }

    /// <summary>Puts up to three rows of the image into shared memory, zero outside it: a warp two of the four slabs of 32 columns, and what taps reach of the next.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageRows(ArrayView<float> image, ArrayView<float> lines, int width, int from, int imageColumn, int rows, int count)
    {
        int lane = Group.IdxX & 31;
        int slab = Group.IdxX >> 5 << 1;
        int column = imageColumn + 32 * slab + lane;
        bool reached = lane < count - 1;
        bool inside0 = (uint)column < (uint)width;
        bool inside1 = (uint)(column + 32) < (uint)width;
        bool inside2 = (uint)(column + 64) < (uint)width & reached;

        // All nine are on their way before the first is waited for. Of rows that are not wanted, the last one again.
        int second = IntrinsicMath.Min(1, rows - 1);
        int third = IntrinsicMath.Min(2, rows - 1);
        int first = from + column;
        Float4 row0 = ReadRow(image, first, inside0, inside1, inside2);
        Float4 row1 = ReadRow(image, first + second * width, inside0, inside1, inside2);
        Float4 row2 = ReadRow(image, first + third * width, inside0, inside1, inside2);
        ArrayView<float> to = lines.SubView(4 * lane + slab);
        PutLine(to, 0, row0, reached);
        PutLine(to, 4 * LinePitch, row1, reached);
        PutLine(to, 2 * 4 * LinePitch, row2, reached);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 ReadRow(ArrayView<float> image, int from, bool inside0, bool inside1, bool inside2)
    {
        Float4 row = default;
        if (inside0)
            row.X = image[from];
        if (inside1)
            row.Y = image[from + 32];
        if (inside2)
            row.Z = image[from + 64];
        return row;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutLine(ArrayView<float> to, int line, Float4 row, bool reached)
    {
        to[line] = row.X;
        to[line + 1] = row.Y;
        if (reached)
        {
            to[line + 4 * 32] = row.Y;
            to[line + 4 * 32 + 1] = row.Z;
        }
    }

    /// <summary>Puts <paramref name="length"/> elements of one or two rows of the image into shared memory, zero outside it, each residue's in a line of its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageResidues(
        ArrayView<float> image, ArrayView<float> lines, Correlation correlation, int from, int imageColumn, int rows, int length)
    {
        int next = (rows - 1) * correlation.Width;
        int nextLine = (rows - 1) * correlation.Residues * 4 * LinePitch;
        for (int p = Group.IdxX; p < length; p += Threads)
        {
            int column = imageColumn + p * correlation.StagedStep;
            float value0 = 0;
            float value1 = 0;
            if ((uint)column < (uint)correlation.Width)
            {
                value0 = image[from + column];
                value1 = image[from + column + next];
            }

            // Element 32 k + u of a line lies in Float4 u at k, and, where a lane's taps reach it beyond 32 columns, in Float4 32 + u at k - 1.
            int place = p * correlation.Reciprocal >> 16;
            int slab = place >> 5;
            int u = place & 31;
            int to = 4 * ((p - place * correlation.Residues) * LinePitch + u) + slab;
            if (slab < 4)
            {
                lines[to] = value0;
                lines[to + nextLine] = value1;
            }

            if (slab > 0 & u < MostTaps - 1)
            {
                lines[to + 4 * 32 - 1] = value0;
                lines[to + 4 * 32 - 1 + nextLine] = value1;
            }
        }
    }

    /// <summary>Stores four channels of each warp, through shared memory, so that each row is written from the start of a sector on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        ArrayView<float> output, ArrayView<float> bias, ArrayView<float> own, Correlation correlation, int first, int output0, int columns,
        Float4 s0, Float4 s1, Float4 s2, Float4 s3)
    {
        int lane = Group.IdxX & 31;
        ArrayView<float> mine = own.SubView(lane, 4 * OutputPitch - 31);
        Group.Barrier();
        PutRow(mine, 0, s0);
        PutRow(mine, OutputPitch, s1);
        PutRow(mine, 2 * OutputPitch, s2);
        PutRow(mine, 3 * OutputPitch, s3);
        Group.Barrier();
        for (int row = 0; row < 4; row++)
        {
            int channel = output0 + row;
            if (channel < correlation.Outputs)
            {
                int start = first + channel * correlation.OutputChannel;
                float shift = 0;
                if (correlation.HasBias != 0)
                    shift = bias[channel];
                for (int p = lane - (start & (Sector - 1)); p < columns; p += 32)
                {
                    if (p >= 0)
                        output[start + p * correlation.OutputColumn] = own[row * OutputPitch + p] + shift;
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
}
