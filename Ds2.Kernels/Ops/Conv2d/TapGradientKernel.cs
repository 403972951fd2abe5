using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using TapGradientLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, Conv2dShape, TapGradient>;

/// <summary>How the weight gradient of a convolution is cut into groups.</summary>
internal struct TapGradient
{
    /// <summary>Taps of a line: neighbours in a row of the kernel.</summary>
    public int Taps;

    /// <summary>Lines in a row of the kernel.</summary>
    public int LinesPerRow;

    /// <summary>Lines of a group.</summary>
    public int TileLines;

    /// <summary>Image columns from a staged element to the next.</summary>
    public int StagedStep;

    /// <summary>Staged elements from an output column's to the next one's.</summary>
    public int ReadStride;

    /// <summary>Staged elements from a line's first to the next one's.</summary>
    public int Pitch;

    /// <summary>Slices of an image's sum: of so many output rows each.</summary>
    public int Chunks;

    /// <summary>Output rows of a slice.</summary>
    public int ChunkRows;

    /// <summary>Slices, counted over all images, that other launches compute before this one's first; set by the launcher.</summary>
    public int FirstSlice;
}

/// <summary>The weight gradient of a convolution: dY times the windows, summed over the pixels, which are cut into slices.</summary>
/// <remarks>
/// A line is a row of the kernel, of one input channel (or a piece of a long row). A group of 128 threads takes 32 output channels and as many whole lines as
/// have 256 taps. It walks over the output rows of its slice, 64 columns at a time: 32 rows of dY, and for each line the one segment of the image that all
/// its taps share, go to shared memory. A warp has 16 channels, a lane four taps 32 apart; for four columns it loads 16 times 16 bytes of dY, the same for
/// all lanes, and 16 image elements, for 256 multiply-adds. Neighbouring taps read neighbouring banks, also where a line ends: its pitch is its taps modulo 32.
/// The slices' sums are added in order afterwards. (A NaN of the image can reach other taps than its own where an output row ends.)
/// </remarks>
internal sealed class TapGradientKernel(IlgpuEngine engine)
{
    /// <summary>Output channels of a group.</summary>
    public const int TileOutputs = 32;

    /// <summary>Taps of a group, at most.</summary>
    public const int TileTaps = 256;

    /// <summary>Output columns that are staged at a time.</summary>
    public const int Depth = 64;

    private const int Threads = 128;
    private const int Warps = Threads / 32;
    private const int MostTaps = 32;
    private const int MostStride = 8;

    /// <summary>Floats in a sector, the least that memory moves.</summary>
    private const int Sector = 8;

    // 21,248 bytes: three groups fit the 64 KB of a P100's multiprocessor.
    private const int SharedGradient = TileOutputs * Depth / 4;
    private const int SharedImage = 816;
    private const int OutputPitch = TileTaps + 4;

    // Three groups on each multiprocessor of a P100 at a time, twice, so that the last to finish does not keep the others waiting long.
    private const int GroupsWanted = 2 * 3 * 56;

    private readonly TapGradientLauncher gradient = engine.Load<TapGradientLauncher>(SumWindowsKernel);

    /// <summary>How many slices the sum is cut into.</summary>
    public static int Slices(Conv2dShape shape) => checked(shape.N * Plan(shape).Chunks);

    /// <summary>Queues the slices' sums.</summary>
    /// <param name="shape">The sizes; no empty tensor.</param>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="dY">[N, K, OutH, OutW].</param>
    /// <param name="partial">[Slices, K, C, R, S]; overwritten.</param>
    public void Launch(Conv2dShape shape, ArrayView<float> x, ArrayView<float> dY, ArrayView<float> partial)
    {
        TapGradient plan = Plan(shape);
        int slices = shape.N * plan.Chunks;
        for (; plan.FirstSlice < slices; plan.FirstSlice += engine.GridDepth)
        {
            var grid = new Index3D(
                LineTiles(shape, plan), (shape.K + TileOutputs - 1) / TileOutputs, Math.Min(engine.GridDepth, slices - plan.FirstSlice));
            gradient(engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), x, dY, partial, shape, plan);
        }
    }

    private static TapGradient Plan(Conv2dShape shape)
    {
        bool dense = shape.StrideW <= MostStride;
        TapGradient plan = default;
        plan.Taps = dense ? shape.S <= MostTaps ? shape.S : MostTaps / 2 : 1;
        plan.LinesPerRow = (shape.S + plan.Taps - 1) / plan.Taps;
        plan.StagedStep = dense ? 1 : shape.StrideW;
        plan.ReadStride = dense ? shape.StrideW : 1;
        int span = (Depth - 1) * plan.ReadStride + plan.Taps;
        plan.Pitch = span + (32 + plan.Taps % 32 - span % 32) % 32;
        plan.TileLines = Math.Min(TileTaps / plan.Taps, 4 * SharedImage / plan.Pitch);
        long groups = (long)LineTiles(shape, plan) * ((shape.K + TileOutputs - 1) / TileOutputs) * shape.N;
        int chunks = (int)Math.Clamp((GroupsWanted + groups - 1) / groups, 1, shape.OutH);
        plan.ChunkRows = (shape.OutH + chunks - 1) / chunks;
        plan.Chunks = (shape.OutH + plan.ChunkRows - 1) / plan.ChunkRows;
        return plan;
    }

    private static int LineTiles(Conv2dShape shape, TapGradient plan) => (shape.C * shape.R * plan.LinesPerRow + plan.TileLines - 1) / plan.TileLines;

    [GpuKernel(Threads)]
    private static void SumWindowsKernel(ArrayView<float> x, ArrayView<float> dY, ArrayView<float> partial, Conv2dShape shape, TapGradient plan)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(SharedGradient + SharedImage);
        ArrayView<float> image = shared.SubView(SharedGradient, SharedImage).Cast<float>();
        int lane = Group.IdxX & 31;
        int warp = Group.IdxX >> 5;
        int output0 = Grid.IdxY * TileOutputs;
        int line0 = Grid.IdxX * plan.TileLines;
        int lines = IntrinsicMath.Min(plan.TileLines, shape.C * shape.R * plan.LinesPerRow - line0);
        int n = (plan.FirstSlice + Grid.IdxZ) / plan.Chunks;
        int firstRow = (plan.FirstSlice + Grid.IdxZ - n * plan.Chunks) * plan.ChunkRows;
        int endRow = IntrinsicMath.Min(firstRow + plan.ChunkRows, shape.OutH);

        // What this thread computes: 16 channels, the taps 32 apart from this one on.
        int half = warp & 1;
        int tap0 = (warp >> 1) * (TileTaps / 2) + lane;
        ArrayView<Float4> gradients = shared.SubView(half * (SharedGradient / 2), SharedGradient / 2);
        ArrayView<float> window0 = Window(image, plan, lines, tap0);
        ArrayView<float> window1 = Window(image, plan, lines, tap0 + 32);
        ArrayView<float> window2 = Window(image, plan, lines, tap0 + 64);
        ArrayView<float> window3 = Window(image, plan, lines, tap0 + 96);
        bool active = output0 + 16 * half < shape.K && tap0 - lane < lines * plan.Taps;

        // What this warp fetches: a quarter of the lines, one after the other.
        int linesPerWarp = (lines + Warps - 1) / Warps;
        int ownLine = warp * linesPerWarp;
        int ownLines = IntrinsicMath.Min(linesPerWarp, lines - ownLine);
        LineCursor start = Locate(shape, plan, line0 + ownLine);

        Tile16x4 sum = default;
        for (int row = firstRow; row < endRow; row++)
        {
            for (int column = 0; column < shape.OutW; column += Depth)
            {
                int columns = IntrinsicMath.Min(Depth, shape.OutW - column);
                Group.Barrier(); // Until now, others may have read the last columns.
                for (int k = warp; k < TileOutputs; k += 4 * Warps)
                {
                    // All twelve on their way before the first is waited for.
                    int from = ((n * shape.K + output0 + k) * shape.OutH + row) * shape.OutW + column;
                    int step = Warps * shape.OutH * shape.OutW;
                    Float4 row0 = ReadGradient(dY, from, columns, output0 + k < shape.K);
                    Float4 row1 = ReadGradient(dY, from + step, columns, output0 + k + Warps < shape.K);
                    Float4 row2 = ReadGradient(dY, from + 2 * step, columns, output0 + k + 2 * Warps < shape.K);
                    Float4 row3 = ReadGradient(dY, from + 3 * step, columns, output0 + k + 3 * Warps < shape.K);
                    PutGradient(shared, k, from, row0);
                    PutGradient(shared, k + Warps, from + step, row1);
                    PutGradient(shared, k + 2 * Warps, from + 2 * step, row2);
                    PutGradient(shared, k + 3 * Warps, from + 3 * step, row3);
                }

                LineCursor cursor = start;
                for (int line = 0; line < ownLines; line++)
                {
                    StageLine(
                        x, image, shape, plan, n, cursor.Channel, row * shape.StrideH + cursor.Row - shape.PadH,
                        column * shape.StrideW + cursor.Piece * plan.Taps - shape.PadW, (ownLine + line) * plan.Pitch, columns);
                    cursor.Piece++;
                    if (cursor.Piece == plan.LinesPerRow)
                    {
                        cursor.Piece = 0;
                        cursor.Row++;
                        if (cursor.Row == shape.R)
                        {
                            cursor.Row = 0;
                            cursor.Channel++;
                        }
                    }
                }

                Group.Barrier();
                if (active)
                {
                    int stride = plan.ReadStride;
                    for (int four = 0; four < Depth / 4; four++)
                    {
                        // Views, so that the loads share address registers: the offsets are then the same for all, or immediate.
                        ArrayView<Float4> gradient = gradients.SubView(four, SharedGradient / 2 - four);
                        ArrayView<float> four0 = window0.SubView(4 * four * stride, 4 * stride);
                        ArrayView<float> four1 = window1.SubView(4 * four * stride, 4 * stride);
                        ArrayView<float> four2 = window2.SubView(4 * four * stride, 4 * stride);
                        ArrayView<float> four3 = window3.SubView(4 * four * stride, 4 * stride);
                        var x0 = new Float4(four0[0], four1[0], four2[0], four3[0]);
                        var x1 = new Float4(four0[stride], four1[stride], four2[stride], four3[stride]);
                        var x2 = new Float4(four0[2 * stride], four1[2 * stride], four2[2 * stride], four3[2 * stride]);
                        var x3 = new Float4(four0[3 * stride], four1[3 * stride], four2[3 * stride], four3[3 * stride]);
                        sum.S0 = MultiplyAdd(gradient[0], x0, x1, x2, x3, sum.S0);
                        sum.S1 = MultiplyAdd(gradient[Depth / 4], x0, x1, x2, x3, sum.S1);
                        sum.S2 = MultiplyAdd(gradient[2 * Depth / 4], x0, x1, x2, x3, sum.S2);
                        sum.S3 = MultiplyAdd(gradient[3 * Depth / 4], x0, x1, x2, x3, sum.S3);
                        sum.S4 = MultiplyAdd(gradient[4 * Depth / 4], x0, x1, x2, x3, sum.S4);
                        sum.S5 = MultiplyAdd(gradient[5 * Depth / 4], x0, x1, x2, x3, sum.S5);
                        sum.S6 = MultiplyAdd(gradient[6 * Depth / 4], x0, x1, x2, x3, sum.S6);
                        sum.S7 = MultiplyAdd(gradient[7 * Depth / 4], x0, x1, x2, x3, sum.S7);
                        sum.S8 = MultiplyAdd(gradient[8 * Depth / 4], x0, x1, x2, x3, sum.S8);
                        sum.S9 = MultiplyAdd(gradient[9 * Depth / 4], x0, x1, x2, x3, sum.S9);
                        sum.S10 = MultiplyAdd(gradient[10 * Depth / 4], x0, x1, x2, x3, sum.S10);
                        sum.S11 = MultiplyAdd(gradient[11 * Depth / 4], x0, x1, x2, x3, sum.S11);
                        sum.S12 = MultiplyAdd(gradient[12 * Depth / 4], x0, x1, x2, x3, sum.S12);
                        sum.S13 = MultiplyAdd(gradient[13 * Depth / 4], x0, x1, x2, x3, sum.S13);
                        sum.S14 = MultiplyAdd(gradient[14 * Depth / 4], x0, x1, x2, x3, sum.S14);
                        sum.S15 = MultiplyAdd(gradient[15 * Depth / 4], x0, x1, x2, x3, sum.S15);
                    }
                }
            }
        }

        ArrayView<float> rows = shared.Cast<float>();
        Store(partial, rows, shape, plan, line0, lines, output0, sum.S0, sum.S1, sum.S2, sum.S3);
        Store(partial, rows, shape, plan, line0, lines, output0 + 4, sum.S4, sum.S5, sum.S6, sum.S7);
        Store(partial, rows, shape, plan, line0, lines, output0 + 8, sum.S8, sum.S9, sum.S10, sum.S11);
        Store(partial, rows, shape, plan, line0, lines, output0 + 12, sum.S12, sum.S13, sum.S14, sum.S15);
    }

    /// <summary>The staged elements that one tap meets, the first output column's first. A tap that does not exist reads those of the first one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ArrayView<float> Window(ArrayView<float> image, TapGradient plan, int lines, int tap)
    {
        int line = tap / plan.Taps;
        int first = line < lines ? line * plan.Pitch + tap - line * plan.Taps : 0;
        return image.SubView(first, 4 * SharedImage - first);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static LineCursor Locate(Conv2dShape shape, TapGradient plan, int line)
    {
        int kernelRow = line / plan.LinesPerRow;
        LineCursor cursor = default;
        cursor.Piece = line - kernelRow * plan.LinesPerRow;
        cursor.Channel = kernelRow / shape.R;
        cursor.Row = kernelRow - cursor.Channel * shape.R;
        return cursor;
    }

    /// <summary>A lane's three elements of a row of dY; its first is so far ahead that the warp reads from the start of a sector on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 ReadGradient(ArrayView<float> dY, int from, int columns, bool exists)
    {
        int p = (Group.IdxX & 31) - (from & (Sector - 1));
        Float4 values = default;
        if (exists)
        {
            if ((uint)p < (uint)columns)
                values.X = dY[from + p];
            if (p + 32 < columns)
                values.Y = dY[from + p + 32];
            if (p + 64 < columns)
                values.Z = dY[from + p + 64];
        }

        return values;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutGradient(ArrayView<Float4> shared, int k, int from, Float4 values)
    {
        int p = (Group.IdxX & 31) - (from & (Sector - 1));
        ArrayView<float> row = shared.Cast<float>().SubView(k * Depth, Depth);
        if (p >= 0)
            row[p] = values.X;
        row[p + 32] = values.Y;
        if (p + 64 < Depth)
            row[p + 64] = values.Z;
    }

    /// <summary>Puts the segment of an image row that a line's taps meet into shared memory, zero outside the image and beyond the last column's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageLine(
        ArrayView<float> x, ArrayView<float> image, Conv2dShape shape, TapGradient plan, int n, int channel, int row, int column, int to, int columns)
    {
        int rowStart = ((n * shape.C + channel) * shape.H + row) * shape.W;
        int ahead = plan.StagedStep == 1 ? (rowStart + column) & (Sector - 1) : 0;
        int length = (uint)row < (uint)shape.H ? (columns - 1) * plan.ReadStride + plan.Taps : 0;
        int span = (Depth - 1) * plan.ReadStride + plan.Taps;
        for (int p = (Group.IdxX & 31) - ahead; p < span; p += 96)
        {
            float value0 = Read(x, shape, plan, rowStart, column, p, length);
            float value1 = Read(x, shape, plan, rowStart, column, p + 32, length);
            float value2 = Read(x, shape, plan, rowStart, column, p + 64, length);
            if (p >= 0)
                image[to + p] = value0;
            if (p + 32 < span)
                image[to + p + 32] = value1;
            if (p + 64 < span)
                image[to + p + 64] = value2;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Read(ArrayView<float> x, Conv2dShape shape, TapGradient plan, int rowStart, int column, int p, int length)
    {
        int imageColumn = column + p * plan.StagedStep;
        float value = 0;
        if ((uint)p < (uint)length && (uint)imageColumn < (uint)shape.W)
            value = x[rowStart + imageColumn];
        return value;
    }

    /// <summary>sum + the products of four columns: one channel, four taps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 MultiplyAdd(Float4 gradient, Float4 x0, Float4 x1, Float4 x2, Float4 x3, Float4 sum)
    {
        sum = Float4.MultiplyAdd(gradient.X, x0, sum);
        sum = Float4.MultiplyAdd(gradient.Y, x1, sum);
        sum = Float4.MultiplyAdd(gradient.Z, x2, sum);
        return Float4.MultiplyAdd(gradient.W, x3, sum);
    }

    /// <summary>Stores four channels of each half, through shared memory, so that each row is written from the start of a sector on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        ArrayView<float> partial, ArrayView<float> rows, Conv2dShape shape, TapGradient plan, int line0, int lines, int output0,
        Float4 s0, Float4 s1, Float4 s2, Float4 s3)
    {
        int lane = Group.IdxX & 31;
        int warp = Group.IdxX >> 5;
        int put = (warp & 1) * 4 * OutputPitch + (warp >> 1) * (TileTaps / 2) + lane;
        Group.Barrier();
        PutRow(rows, put, s0);
        PutRow(rows, put + OutputPitch, s1);
        PutRow(rows, put + 2 * OutputPitch, s2);
        PutRow(rows, put + 3 * OutputPitch, s3);
        Group.Barrier();
        int window = shape.C * shape.R * shape.S;
        for (int row = 0; row < 8; row++)
        {
            int channel = output0 + (row >> 2) * 16 + (row & 3);
            if (channel < shape.K)
            {
                int start = ((plan.FirstSlice + Grid.IdxZ) * shape.K + channel) * window;
                int first = start + TapIndex(shape, plan, line0, 0);
                for (int tap = Group.IdxX - (first & (Sector - 1)); tap < lines * plan.Taps; tap += Threads)
                {
                    if (tap >= 0)
                    {
                        int line = tap / plan.Taps;
                        int index = TapIndex(shape, plan, line0 + line, tap - line * plan.Taps);
                        if (index >= 0)
                            partial[start + index] = rows[row * OutputPitch + tap];
                    }
                }
            }
        }
    }

    /// <summary>A tap's place in the window (c, r, s), or -1 where the line's row of the kernel has ended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int TapIndex(Conv2dShape shape, TapGradient plan, int line, int tap)
    {
        int kernelRow = line / plan.LinesPerRow;
        int s = (line - kernelRow * plan.LinesPerRow) * plan.Taps + tap;
        return s < shape.S ? kernelRow * shape.S + s : -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutRow(ArrayView<float> rows, int index, Float4 taps)
    {
        rows[index] = taps.X;
        rows[index + 32] = taps.Y;
        rows[index + 64] = taps.Z;
        rows[index + 96] = taps.W;
    }

    /// <summary>A line: an input channel, a row of the kernel, and a piece of that row.</summary>
    private struct LineCursor
    {
        public int Channel;
        public int Row;
        public int Piece;
    }

    /// <summary>A thread's part of the tile: sixteen channels of four taps each.</summary>
    private struct Tile16x4
    {
        public Float4 S0, S1, S2, S3;
        public Float4 S4, S5, S6, S7;
        public Float4 S8, S9, S10, S11;
        public Float4 S12, S13, S14, S15;
    }
}
