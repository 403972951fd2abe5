using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using TapGradientLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, Conv2dShape, TapGradient>;

/// <summary>How the weight gradient of a convolution is cut into groups.</summary>
/// <remarks>A line is a row of the kernel, of one input channel, or a piece of a long row. Four lines make a quad, a quad's taps of one column a slot.</remarks>
internal struct TapGradient
{
    /// <summary>Taps of a line: neighbours in a row of the kernel.</summary>
    public int Taps;

    /// <summary>Lines in a row of the kernel.</summary>
    public int LinesPerRow;

    /// <summary>Lines in all.</summary>
    public int Lines;

    /// <summary>Slots in all; the last quad's lines need not exist.</summary>
    public int Slots;

    /// <summary>Elements of a slice from a channel's taps in one line of each quad to those in the next.</summary>
    public int SlotPitch;

    /// <summary>Slots of a group.</summary>
    public int TileSlots;

    /// <summary>Output columns that are staged at a time, a multiple of four.</summary>
    public int Columns;

    /// <summary>Image columns from a staged element to the next.</summary>
    public int StagedStep;

    /// <summary>Staged elements from an output column's to the next one's.</summary>
    public int ReadStride;

    /// <summary>Staged elements of a line.</summary>
    public int Span;

    /// <summary>Staged elements from a quad's first to the next one's.</summary>
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
/// A group of 128 threads takes 32 output channels and 64 slots, each of which is four taps: of the same column, in four lines. It walks over the output rows of
/// its slice, some 70 columns at a time: 32 rows of dY, and for each quad the segments of the image that its four lines meet, element by element beside each
/// other, go to shared memory. A warp has 16 channels, a lane one slot; for four columns it loads 16 times 16 bytes of dY, the same for all lanes, and four times
/// 16 bytes of the image, for 256 multiply-adds. Neighbouring slots read neighbouring banks, also where a quad ends: its pitch is its taps modulo 8.
/// The slices' sums are added in order afterwards, which also puts them into the weight's order: a thread stores its four taps as they are.
/// (A NaN of the image can reach other taps than its own where an output row ends.)
/// </remarks>
internal sealed class TapGradientKernel(IlgpuEngine engine)
{
    /// <summary>Output channels of a group.</summary>
    public const int TileOutputs = 32;

    /// <summary>Taps of a group, at most.</summary>
    public const int TileTaps = 4 * TileSlots;

    private const int TileSlots = 64;
    private const int MostColumns = 88; // A lane takes up to three of a row that starts anywhere in a sector,
    private const int MostSpan = 89; // and of a line, most cheaply.
    private const int Threads = 128;
    private const int Warps = Threads / 32;
    private const int MostTaps = 32;
    private const int MostStride = 8;

    /// <summary>Floats in a sector, the least that memory moves.</summary>
    private const int Sector = 8;

    // In units of Float4. With the lines, 21,760 bytes: three groups fit the 64 KB of a P100's multiprocessor. Seven quads of eleven taps meet 82 elements each of 72 columns.
    private const int Shared = 1232;
    private const int GradientPitch = TileOutputs / 4 + 1;
    private const int MostQuads = 32;

    // A P100's: rounds of its groups are what a launch takes. A slice costs its stores and their addition besides, as much as about that share of an output row.
    private const int Multiprocessors = 56;
    private const double SliceOverheadRows = 0.15;
    private const long MostPartial = 1 << 24;

    // Where a line does not exist: outside every image.
    private const int NoRow = int.MinValue / 2;

    private readonly TapGradientLauncher gradient = engine.Load<TapGradientLauncher>(SumWindowsKernel);

    /// <summary>How a shape is cut; no empty tensor.</summary>
    public static TapGradient Plan(Conv2dShape shape)
    {
        bool dense = shape.StrideW <= MostStride;
        TapGradient plan = default;
        plan.Taps = dense ? shape.S <= MostTaps ? shape.S : MostTaps / 2 : 1;
        plan.LinesPerRow = (shape.S + plan.Taps - 1) / plan.Taps;
        plan.Lines = checked(shape.C * shape.R * plan.LinesPerRow);
        plan.Slots = (plan.Lines + 3) / 4 * plan.Taps;
        plan.SlotPitch = (plan.Slots + Sector - 1) / Sector * Sector;
        plan.StagedStep = dense ? 1 : shape.StrideW;
        plan.ReadStride = dense ? shape.StrideW : 1;

        // Slots that start anywhere, or whole quads where those of few taps would be of too many; then as many columns as fit, in pieces of like length.
        int quads = (TileSlots - 2) / plan.Taps + 2;
        plan.TileSlots = TileSlots;
        if (quads > MostQuads)
        {
            quads = Math.Min(TileSlots / plan.Taps, MostQuads);
            plan.TileSlots = quads * plan.Taps;
        }

        int columns = MostColumns + 4;
        do
        {
            columns -= 4;
            SetColumns(ref plan, columns);
        }
        while ((columns * GradientPitch + quads * plan.Pitch > Shared || plan.Span > MostSpan) && columns > 4);
        int pieces = (shape.OutW + columns - 1) / columns;
        SetColumns(ref plan, (shape.OutW + 4 * pieces - 1) / (4 * pieces) * 4);
        Slice(ref plan, shape);
        return plan;
    }

    /// <summary>How many slices the sum is cut into.</summary>
    public static int Slices(Conv2dShape shape, TapGradient plan) => checked(shape.N * plan.Chunks);

    /// <summary>The most slices that a batch of up to N images is cut into: fewer images can have more.</summary>
    public static int MostSlices(Conv2dShape shape, TapGradient plan)
    {
        int most = 0;
        for (int images = 1; images <= shape.N; images++)
        {
            Conv2dShape batch = shape with { N = images };
            Slice(ref plan, batch);
            most = Math.Max(most, Slices(batch, plan));
        }

        return most;
    }

    /// <summary>Elements of a slice: [K, 4, SlotPitch], the taps of every fourth line together.</summary>
    public static int SliceLength(Conv2dShape shape, TapGradient plan) => checked(shape.K * 4 * plan.SlotPitch);

    /// <summary>Queues the slices' sums.</summary>
    /// <param name="shape">The sizes; no empty tensor.</param>
    /// <param name="plan">Its plan.</param>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="dY">[N, K, OutH, OutW].</param>
    /// <param name="partial">[Slices, K, 4, SlotPitch]; overwritten but for what pads the pitch.</param>
    public void Launch(Conv2dShape shape, TapGradient plan, ArrayView<float> x, ArrayView<float> dY, ArrayView<float> partial)
    {
        int slices = Slices(shape, plan);
        for (; plan.FirstSlice < slices; plan.FirstSlice += engine.GridDepth)
        {
            var grid = new Index3D(Tiles(plan), (shape.K + TileOutputs - 1) / TileOutputs, Math.Min(engine.GridDepth, slices - plan.FirstSlice));
            gradient(engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), x, dY, partial, shape, plan);
        }
    }

    private static int Tiles(TapGradient plan) => (plan.Slots + plan.TileSlots - 1) / plan.TileSlots;

    private static void SetColumns(ref TapGradient plan, int columns)
    {
        plan.Columns = columns;
        plan.Span = (plan.Columns - 1) * plan.ReadStride + plan.Taps;
        plan.Pitch = plan.Span + (8 + plan.Taps % 8 - plan.Span % 8) % 8;
    }

    /// <summary>Slices of as many rows as take least, if a group takes as long as it has rows.</summary>
    /// <remarks>The sums of all slices are not to take more than 64 MB, where an image has more than one.</remarks>
    private static void Slice(ref TapGradient plan, Conv2dShape shape)
    {
        long groups = (long)Tiles(plan) * ((shape.K + TileOutputs - 1) / TileOutputs) * shape.N;
        long length = (long)SliceLength(shape, plan) * shape.N;
        double least = double.PositiveInfinity;
        for (int rows = shape.OutH; rows > 0; rows--)
        {
            int chunks = (shape.OutH + rows - 1) / rows;
            if (chunks > 1 && chunks * length > MostPartial)
                break;
            double time = Math.Ceiling((double)groups * chunks / Multiprocessors) * (rows + SliceOverheadRows);
            if (time < least)
                (least, plan.ChunkRows, plan.Chunks) = (time, rows, chunks);
        }
    }

    [GpuKernel(Threads, GroupsPerMultiprocessor = 3)]
    private static void SumWindowsKernel(ArrayView<float> x, ArrayView<float> dY, ArrayView<float> partial, Conv2dShape shape, TapGradient plan)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(Shared);
        ArrayView<Line> lines = SharedMemory.Allocate<Line>(4 * MostQuads);
        ArrayView<Float4> image = shared.SubView(plan.Columns * GradientPitch, Shared - plan.Columns * GradientPitch);
        int lane = Group.IdxX & 31;
        int warp = Group.IdxX >> 5;
        int output0 = Grid.IdxY * TileOutputs;
        int n = (plan.FirstSlice + Grid.IdxZ) / plan.Chunks;
        int firstRow = (plan.FirstSlice + Grid.IdxZ - n * plan.Chunks) * plan.ChunkRows;
        int outHeight = shape.OutH;
        int outWidth = shape.OutW;
        int plane = outHeight * outWidth;
        int endRow = IntrinsicMath.Min(firstRow + plan.ChunkRows, outHeight);

        // What this thread computes: 16 channels of a slot. A slot that does not exist reads what the first one does.
        int half = warp & 1;
        int slot0 = Grid.IdxX * plan.TileSlots;
        int slots = IntrinsicMath.Min(plan.TileSlots, plan.Slots - slot0);
        int slot = (warp >> 1) * 32 + lane;
        int quad0 = slot0 / plan.Taps;
        int quads = (slot0 + slots - 1) / plan.Taps - quad0 + 1;
        int quad = (slot0 + slot) / plan.Taps;
        int place = slot < slots ? (quad - quad0) * plan.Pitch + slot0 + slot - quad * plan.Taps : 0;
        bool active = output0 + 16 * half < shape.K & slot - lane < slots;
        ArrayView<Float4> gradients = shared.SubView(4 * half, plan.Columns * GradientPitch - 4 * half);
        ArrayView<Float4> window = image.SubView(place, quads * plan.Pitch - place);

        for (int line = Group.IdxX; line < 4 * quads; line += Threads)
            lines[line] = Locate(shape, plan, 4 * quad0 + line, 4 * (line >> 2) * plan.Pitch + (line & 3));
        Tile16x4 sum = default;
        for (int row = firstRow; row < endRow; row++)
        {
            int column = 0;
            do
            {
                int columns = IntrinsicMath.Min(plan.Columns, outWidth - column);
                Group.Barrier(); // Until now, others may have read the last columns.
                StageGradient(dY, shared.Cast<float>(), (n * shape.K + output0) * plane + row * outWidth + column, plane, shape.K - output0, columns, plan.Columns);
                int pixelRow = row * shape.StrideH;
                int pixel = (n * shape.C * shape.H + pixelRow) * shape.W + column * shape.StrideW;
                for (int own = warp; own < 4 * quads; own += 2 * Warps)
                {
                    // Each warp fetches one of a quad's lines, of two quads at a time; of the last one twice, where their number is odd.
                    Line line0 = lines[own];
                    Line line1 = lines[IntrinsicMath.Min(own + Warps, 4 * quads - Warps + warp)];
                    int width0 = (uint)(pixelRow + line0.Row) < (uint)shape.H ? shape.W : 0;
                    int width1 = (uint)(pixelRow + line1.Row) < (uint)shape.H ? shape.W : 0;
                    int first = column * shape.StrideW;
                    if (plan.StagedStep == 1)
                    {
                        StageLines(
                            x, image.Cast<float>(), plan.Span, pixel + line0.Start, first + line0.Column, width0, line0.To, pixel + line1.Start, first + line1.Column, width1, line1.To);
                    }
                    else
                    {
                        StageApart(x, image.Cast<float>(), plan, pixel + line0.Start, first + line0.Column, width0, line0.To);
                        StageApart(x, image.Cast<float>(), plan, pixel + line1.Start, first + line1.Column, width1, line1.To);
                    }
                }

                Group.Barrier();

                // Loops, not conditions, around the multiply-adds: where sums may come from either of two ways, the assembler keeps them in two registers and copies them.
                int at = 0;
                int of = 0;
                for (int left = active ? columns : 0; left > 0; left -= 4)
                {
                    // Views, so that all loads share address registers: the offsets are then immediate.
                    ArrayView<Float4> gradient = gradients.SubView(of, 3 * GradientPitch + 4);
                    ArrayView<Float4> four = window.SubView(at, 3 * plan.ReadStride + 1);
                    Tile16x4.MultiplyAdd(ref sum, gradient, 0, four[0]);
                    Tile16x4.MultiplyAdd(ref sum, gradient, GradientPitch, four[plan.ReadStride]);
                    Tile16x4.MultiplyAdd(ref sum, gradient, 2 * GradientPitch, four[2 * plan.ReadStride]);
                    Tile16x4.MultiplyAdd(ref sum, gradient, 3 * GradientPitch, four[3 * plan.ReadStride]);
                    at += 4 * plan.ReadStride;
                    of += 4 * GradientPitch;
                }

                column += plan.Columns;
            }
            while (column < outWidth);
        }

        if (slot < slots)
        {
            int to = ((plan.FirstSlice + Grid.IdxZ) * shape.K + output0 + 16 * half) * 4 * plan.SlotPitch + slot0 + slot;
            int left = shape.K - output0 - 16 * half;
            Store(partial, to, plan.SlotPitch, left, sum.S0, sum.S1, sum.S2, sum.S3);
            Store(partial, to + 16 * plan.SlotPitch, plan.SlotPitch, left - 4, sum.S4, sum.S5, sum.S6, sum.S7);
            Store(partial, to + 32 * plan.SlotPitch, plan.SlotPitch, left - 8, sum.S8, sum.S9, sum.S10, sum.S11);
            Store(partial, to + 48 * plan.SlotPitch, plan.SlotPitch, left - 12, sum.S12, sum.S13, sum.S14, sum.S15);
        }
    }

    private static Line Locate(Conv2dShape shape, TapGradient plan, int line, int to)
    {
        int kernelRow = line / plan.LinesPerRow;
        int channel = kernelRow / shape.R;
        Line located = default;
        int row = kernelRow - channel * shape.R - shape.PadH;
        located.Row = line < plan.Lines ? row : NoRow;
        located.Column = (line - kernelRow * plan.LinesPerRow) * plan.Taps - shape.PadW;
        located.To = to;
        located.Start = (channel * shape.H + row) * shape.W + located.Column;
        return located;
    }

    /// <summary>Puts <paramref name="columns"/> columns of 32 channels of dY into shared memory, channels innermost; zero beyond, and where a channel does not exist.</summary>
    /// <remarks>Planes of channels eight apart start alike within a sector, whatever their size: a warp takes four such at a time.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageGradient(ArrayView<float> dY, ArrayView<float> to, int from, int plane, int channels, int columns, int allColumns)
    {
        for (int k = Group.IdxX >> 5; k < 8; k += Warps)
        {
            // All twelve are on their way before the first is waited for. A lane's first element is so far ahead that the warp reads from the start of a sector on.
            int first = from + k * plane;
            int lane = Group.IdxX & 31;
            int p = lane - (first & (Sector - 1));
            first = first - (first & (Sector - 1)) + lane;
            int exist = channels - k;
            bool inside0 = (uint)p < (uint)columns;
            bool inside1 = p + 32 < columns;
            bool inside2 = p + 64 < columns;
            Float4 row0 = ReadGradient(dY, first, inside0 & exist > 0, inside1 & exist > 0, inside2 & exist > 0);
            Float4 row1 = ReadGradient(dY, first + 8 * plane, inside0 & exist > 8, inside1 & exist > 8, inside2 & exist > 8);
            Float4 row2 = ReadGradient(dY, first + 16 * plane, inside0 & exist > 16, inside1 & exist > 16, inside2 & exist > 16);
            Float4 row3 = ReadGradient(dY, first + 24 * plane, inside0 & exist > 24, inside1 & exist > 24, inside2 & exist > 24);
            int at = p * 4 * GradientPitch + k;
            if ((uint)p < (uint)allColumns)
                PutGradient(to, at, row0.X, row1.X, row2.X, row3.X);
            if (p + 32 < allColumns)
                PutGradient(to, at + 32 * 4 * GradientPitch, row0.Y, row1.Y, row2.Y, row3.Y);
            if (p + 64 < allColumns)
                PutGradient(to, at + 64 * 4 * GradientPitch, row0.Z, row1.Z, row2.Z, row3.Z);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 ReadGradient(ArrayView<float> dY, int from, bool inside0, bool inside1, bool inside2)
    {
        // A view, so that the three share their address; it ends where dY does.
        int start = IntrinsicMath.Min(from, dY.IntLength - 1);
        ArrayView<float> row = dY.SubView(start, IntrinsicMath.Min(65, dY.IntLength - start));
        Float4 values = default;
        if (inside0)
            values.X = row[0];
        if (inside1)
            values.Y = row[32];
        if (inside2)
            values.Z = row[64];
        return values;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutGradient(ArrayView<float> to, int column, float channel0, float channel8, float channel16, float channel24)
    {
        ArrayView<float> channels = to.SubView(column, 25);
        channels[0] = channel0;
        channels[8] = channel8;
        channels[16] = channel16;
        channels[24] = channel24;
    }

    /// <summary>Puts the segments of image rows that two lines' taps meet into shared memory, zero outside the image, every fourth float.</summary>
    /// <remarks>Lanes start so far ahead that the warp reads from the start of a sector on. All six elements are on their way before the first is waited for.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageLines(
        ArrayView<float> x, ArrayView<float> image, int span, int from0, int column0, int width0, int to0, int from1, int column1, int width1, int to1)
    {
        int p0 = (Group.IdxX & 31) - (from0 & (Sector - 1));
        int p1 = (Group.IdxX & 31) - (from1 & (Sector - 1));
        do
        {
            Float4 values0 = ReadLine(x, from0 + p0, column0 + p0, width0, p0 + 64 < span);
            Float4 values1 = ReadLine(x, from1 + p1, column1 + p1, width1, p1 + 64 < span);
            PutLine(image, to0, p0, span, values0);
            PutLine(image, to1, p1, span, values1);
            p0 += 96;
            p1 += 96;
        }
        while (IntrinsicMath.Min(p0, p1) < span);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 ReadLine(ArrayView<float> x, int from, int column, int width, bool third)
    {
        Float4 values = default;
        if ((uint)column < (uint)width)
            values.X = x[from];
        if ((uint)(column + 32) < (uint)width)
            values.Y = x[from + 32];
        if ((uint)(column + 64) < (uint)width & third)
            values.Z = x[from + 64];
        return values;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutLine(ArrayView<float> image, int to, int p, int span, Float4 values)
    {
        int four = to + 4 * p;
        if ((uint)p < (uint)span)
            image[four] = values.X;
        if (p + 32 < span)
            image[four + 4 * 32] = values.Y;
        if (p + 64 < span)
            image[four + 4 * 64] = values.Z;
    }

    /// <summary>The same for one line, of elements far apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StageApart(ArrayView<float> x, ArrayView<float> image, TapGradient plan, int from, int column, int width, int to)
    {
        for (int p = Group.IdxX & 31; p < plan.Span; p += 32)
        {
            float value = 0;
            if ((uint)(column + p * plan.StagedStep) < (uint)width)
                value = x[from + p * plan.StagedStep];
            image[to + 4 * p] = value;
        }
    }

    /// <summary>Stores a slot's four taps of up to four channels.</summary>
    /// <remarks>One by one: stored as Float4, the sums would lie in the register banks of the image's elements, which they are multiplied with.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ArrayView<float> partial, int to, int pitch, int left, Float4 s0, Float4 s1, Float4 s2, Float4 s3)
    {
        if (left > 0)
            Store(partial, to, pitch, s0);
        if (left > 1)
            Store(partial, to + 4 * pitch, pitch, s1);
        if (left > 2)
            Store(partial, to + 8 * pitch, pitch, s2);
        if (left > 3)
            Store(partial, to + 12 * pitch, pitch, s3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ArrayView<float> partial, int to, int pitch, Float4 taps)
    {
        partial[to] = taps.X;
        partial[to + pitch] = taps.Y;
        partial[to + 2 * pitch] = taps.Z;
        partial[to + 3 * pitch] = taps.W;
    }

    /// <summary>What a line of taps meets first, from where an output pixel's row and column times their strides lie in an image's first plane, and where it goes.</summary>
    private struct Line
    {
        public int Start;
        public int Row;
        public int Column;
        public int To;
    }
}
