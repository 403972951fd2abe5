using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using ImplicitLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ImplicitArguments>;

/// <summary>What one product with an unstored window matrix is: the three passes of a convolution differ in these numbers alone.</summary>
/// <remarks>
/// out[row, column] = bias[row] + sum_k a[row, k] window[k, column]. A column has three digits (d0, d1, d2), so has k: (u, i, j).
/// window = image[d0 ColumnStride + u WalkStride + h Width + v] with h = d1 RowScale + RowShift + i RowStep and
/// v = d2 ColumnScale + ColumnShift + j ColumnStep, zero where (h, v) lies outside the image.
/// The sum may be cut into slices (the grid's third dimension): of several images, and of chunks of k in each.
/// </remarks>
internal struct ImplicitArguments
{
    /// <summary>Rows of the product.</summary>
    public int Rows;

    /// <summary>Columns of the product: the number of digit triples.</summary>
    public int Columns;

    /// <summary>The range of d1.</summary>
    public int Digit1;

    /// <summary>The range of d2.</summary>
    public int Digit2;

    /// <summary>The image's rows.</summary>
    public int Height;

    /// <summary>The image's columns.</summary>
    public int Width;

    public int ColumnStride;
    public int RowScale;
    public int RowShift;
    public int ColumnScale;
    public int ColumnShift;

    /// <summary>The length of the sum over one image.</summary>
    public int Depth;

    /// <summary>The range of i.</summary>
    public int WalkRows;

    /// <summary>The range of j.</summary>
    public int WalkColumns;

    public int WalkStride;
    public int RowStep;
    public int ColumnStep;

    /// <summary>What j's return to 0 and i's advance add to the address, and u's advance and i's return to 0; set by the launcher.</summary>
    public int AddressStepI;
    public int AddressStepU;

    /// <summary>Slices of each image's sum.</summary>
    public int Chunks;

    /// <summary>Terms of a slice.</summary>
    public int ChunkLength;

    /// <summary>Elements from a row of a to the next.</summary>
    public int StrideA;

    /// <summary>Elements from one image's a to the next's.</summary>
    public int ImageStrideA;

    /// <summary>Elements from one image of the sum to the next.</summary>
    public int ImageStride;

    /// <summary>The output's first element.</summary>
    public int OutputBase;

    /// <summary>Output elements from a slice to the next.</summary>
    public int OutputSlice;

    /// <summary>Output elements from a row to the next.</summary>
    public int OutputRow;

    /// <summary>Output elements for a step of d0.</summary>
    public int Output0;

    /// <summary>Output elements for a step of d1.</summary>
    public int Output1;

    /// <summary>Output elements for a step of d2.</summary>
    public int Output2;

    /// <summary>Whether a bias is added to each row.</summary>
    public int HasBias;
}

/// <summary>A matrix product one of whose operands is a window matrix that is never stored: its elements are found while the tiles are loaded.</summary>
/// <remarks>
/// DeepSpeech2 has 32 channels, so a group of 256 threads makes 32 rows x 256 columns, each thread 4 x 8. A thread fetches one column of the
/// window matrix, eight k at a time: the digits of k are then the same for the whole group and advance without a division,
/// neighbouring threads read neighbouring pixels, and only the column's own digits cost divisions, once.
/// Each element is one chain of multiply-adds in ascending k. Source: Chetlur et al., arXiv:1410.0759, section 3.
/// </remarks>
internal sealed class ImplicitProduct(IlgpuEngine engine)
{
    /// <summary>Rows of a group's tile.</summary>
    public const int TileRows = 32;

    /// <summary>Columns of a group's tile.</summary>
    public const int TileColumns = 256;

    private const int Threads = 256;
    private const int Depth = 8;

    // In units of Float4. Rows of A have 36 floats, so that the eight k and four rows that a warp stores meet in no bank.
    private const int SharedRowA = 9;
    private const int SharedRowB = TileColumns / 4;

    private readonly ImplicitLauncher multiply = engine.Load<ImplicitLauncher>(MultiplyKernel);

    /// <summary>Queues the product, or nothing where the output is empty.</summary>
    public void Multiply(ImplicitArguments arguments, int images, ArrayView<float> a, ArrayView<float> image, ArrayView<float> output, ArrayView<float> bias)
    {
        if (arguments.Rows == 0 || arguments.Columns == 0 || images == 0)
            return;
        arguments.AddressStepI = arguments.RowStep * arguments.Width - arguments.WalkColumns * arguments.ColumnStep;
        arguments.AddressStepU = arguments.WalkStride - arguments.WalkRows * arguments.RowStep * arguments.Width;
        var grid = new Index3D(
            (arguments.Columns + TileColumns - 1) / TileColumns, (arguments.Rows + TileRows - 1) / TileRows, images * arguments.Chunks);
        multiply(engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), a, image, output, bias, arguments);
    }

    [GpuKernel(Threads)]
    private static void MultiplyKernel(
        ArrayView<float> a, ArrayView<float> image, ArrayView<float> output, ArrayView<float> bias, ImplicitArguments arguments)
    {
        ArrayView<Float4> sharedA = SharedMemory.Allocate<Float4>(2 * Depth * SharedRowA);
        ArrayView<Float4> sharedB = SharedMemory.Allocate<Float4>(2 * Depth * SharedRowB);
        int thread = Group.IdxX;
        int column0 = Grid.IdxX * TileColumns;
        int row0 = Grid.IdxY * TileRows;
        int slice = Grid.IdxZ;
        int sliceImage = slice / arguments.Chunks;
        int begin = (slice - sliceImage * arguments.Chunks) * arguments.ChunkLength;
        int end = IntrinsicMath.Min(begin + arguments.ChunkLength, arguments.Depth);

        // What this thread fetches: of A one k of one row, of the window matrix all k of one column.
        int kA = thread & 7;
        int rowA = thread >> 3;
        int indexA = sliceImage * arguments.ImageStrideA + (row0 + rowA) * arguments.StrideA + kA;
        bool rowExists = row0 + rowA < arguments.Rows;
        WindowCursor cursor = Locate(arguments, column0 + thread, sliceImage * arguments.ImageStride, begin);

        // What this thread computes: rows 4y..4y+3, columns 4x..4x+3 and 128 more of the tile. A warp has one y.
        int x = thread & 31;
        int y = thread >> 5;
        bool active = row0 + 4 * y < arguments.Rows && column0 + 4 * x < arguments.Columns;
        Tile4x8 sum = default;

        int storeA = kA * (SharedRowA * 4) + rowA;
        float nextA = rowExists && begin + kA < end ? a[indexA + begin] : 0;
        Float4 low = FetchFour(image, arguments, ref cursor, begin, end);
        Float4 high = FetchFour(image, arguments, ref cursor, begin + 4, end);
        sharedA.Cast<float>()[storeA] = nextA;
        Put(sharedB, thread, low, high);
        Group.Barrier();

        int bufferA = 0;
        int bufferB = 0;
        for (int k = begin; k < end; k += Depth)
        {
            int next = k + Depth;
            nextA = rowExists && next + kA < end ? a[indexA + next] : 0;
            low = FetchFour(image, arguments, ref cursor, next, end);
            high = FetchFour(image, arguments, ref cursor, next + 4, end);
            if (active)
            {
                int fromA = bufferA + y;
                int fromB = bufferB + x;
                MultiplyAdd(ref sum, sharedA, sharedB, fromA, fromB);
                MultiplyAdd(ref sum, sharedA, sharedB, fromA + SharedRowA, fromB + SharedRowB);
                MultiplyAdd(ref sum, sharedA, sharedB, fromA + 2 * SharedRowA, fromB + 2 * SharedRowB);
                MultiplyAdd(ref sum, sharedA, sharedB, fromA + 3 * SharedRowA, fromB + 3 * SharedRowB);
                MultiplyAdd(ref sum, sharedA, sharedB, fromA + 4 * SharedRowA, fromB + 4 * SharedRowB);
                MultiplyAdd(ref sum, sharedA, sharedB, fromA + 5 * SharedRowA, fromB + 5 * SharedRowB);
                MultiplyAdd(ref sum, sharedA, sharedB, fromA + 6 * SharedRowA, fromB + 6 * SharedRowB);
                MultiplyAdd(ref sum, sharedA, sharedB, fromA + 7 * SharedRowA, fromB + 7 * SharedRowB);
            }

            // Nobody reads the other buffers now: their readers passed the last barrier.
            bufferA = Depth * SharedRowA - bufferA;
            bufferB = Depth * SharedRowB - bufferB;
            sharedA.Cast<float>()[bufferA * 4 + storeA] = nextA;
            Put(sharedB, bufferB * 4 + thread, low, high);
            Group.Barrier();
        }

        int row = row0 + 4 * y;
        int column = column0 + 4 * x;
        int from = arguments.OutputBase + slice * arguments.OutputSlice;
        StoreColumns(output, bias, arguments, from, row, column, sum.C00, sum.C10, sum.C20, sum.C30);
        StoreColumns(output, bias, arguments, from, row, column + TileColumns / 2, sum.C01, sum.C11, sum.C21, sum.C31);
    }

    /// <summary>Where a column's window starts, and the digits of the first k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static WindowCursor Locate(ImplicitArguments arguments, int column, int imageOffset, int k)
    {
        int line = column / arguments.Digit2;
        int d2 = column - line * arguments.Digit2;
        int d0 = line / arguments.Digit1;
        int d1 = line - d0 * arguments.Digit1;
        int kLine = k / arguments.WalkColumns;
        int u = kLine / arguments.WalkRows;
        WindowCursor cursor = default;
        cursor.J = k - kLine * arguments.WalkColumns;
        cursor.I = kLine - u * arguments.WalkRows;

        // A column beyond the last one starts so far above the image that none of its elements is inside.
        int shift = column < arguments.Columns ? arguments.RowShift : -(1 << 29);
        cursor.Row = d1 * arguments.RowScale + shift + cursor.I * arguments.RowStep;
        cursor.Column = d2 * arguments.ColumnScale + arguments.ColumnShift + cursor.J * arguments.ColumnStep;
        cursor.Address = imageOffset + d0 * arguments.ColumnStride + u * arguments.WalkStride + cursor.Row * arguments.Width + cursor.Column;
        return cursor;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 FetchFour(ArrayView<float> image, ImplicitArguments arguments, ref WindowCursor cursor, int k, int end)
    {
        Float4 four = default;
        four.X = Fetch(image, arguments, ref cursor, k < end);
        four.Y = Fetch(image, arguments, ref cursor, k + 1 < end);
        four.Z = Fetch(image, arguments, ref cursor, k + 2 < end);
        four.W = Fetch(image, arguments, ref cursor, k + 3 < end);
        return four;
    }

    /// <summary>The window's element at the cursor, which moves to the next k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Fetch(ArrayView<float> image, ImplicitArguments arguments, ref WindowCursor cursor, bool inside)
    {
        float value = 0;
        if (inside && (uint)cursor.Row < (uint)arguments.Height && (uint)cursor.Column < (uint)arguments.Width)
            value = image[cursor.Address];
        cursor.J++;
        cursor.Column += arguments.ColumnStep;
        cursor.Address += arguments.ColumnStep;
        if (cursor.J == arguments.WalkColumns)
        {
            cursor.J = 0;
            cursor.Column -= arguments.WalkColumns * arguments.ColumnStep;
            cursor.I++;
            cursor.Row += arguments.RowStep;
            cursor.Address += arguments.AddressStepI;
            if (cursor.I == arguments.WalkRows)
            {
                cursor.I = 0;
                cursor.Row -= arguments.WalkRows * arguments.RowStep;
                cursor.Address += arguments.AddressStepU;
            }
        }

        return value;
    }

    /// <summary>Stores eight k of one column, so that k is the row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(ArrayView<Float4> shared, int index, Float4 low, Float4 high)
    {
        ArrayView<float> floats = shared.Cast<float>();
        floats[index] = low.X;
        floats[index + TileColumns] = low.Y;
        floats[index + 2 * TileColumns] = low.Z;
        floats[index + 3 * TileColumns] = low.W;
        floats[index + 4 * TileColumns] = high.X;
        floats[index + 5 * TileColumns] = high.Y;
        floats[index + 6 * TileColumns] = high.Z;
        floats[index + 7 * TileColumns] = high.W;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Tile4x8 sum, ArrayView<Float4> sharedA, ArrayView<Float4> sharedB, int rowA, int rowB)
    {
        Float4 a = sharedA[rowA];
        Float4 b0 = sharedB[rowB];
        Float4 b1 = sharedB[rowB + SharedRowB / 2];
        sum.C00 = Float4.MultiplyAdd(a.X, b0, sum.C00);
        sum.C01 = Float4.MultiplyAdd(a.X, b1, sum.C01);
        sum.C10 = Float4.MultiplyAdd(a.Y, b0, sum.C10);
        sum.C11 = Float4.MultiplyAdd(a.Y, b1, sum.C11);
        sum.C20 = Float4.MultiplyAdd(a.Z, b0, sum.C20);
        sum.C21 = Float4.MultiplyAdd(a.Z, b1, sum.C21);
        sum.C30 = Float4.MultiplyAdd(a.W, b0, sum.C30);
        sum.C31 = Float4.MultiplyAdd(a.W, b1, sum.C31);
    }

    /// <summary>Stores four rows of four columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreColumns(
        ArrayView<float> output, ArrayView<float> bias, ImplicitArguments arguments, int from, int row, int column,
        Float4 r0, Float4 r1, Float4 r2, Float4 r3)
    {
        StoreColumn(output, bias, arguments, from, row, column, r0.X, r1.X, r2.X, r3.X);
        StoreColumn(output, bias, arguments, from, row, column + 1, r0.Y, r1.Y, r2.Y, r3.Y);
        StoreColumn(output, bias, arguments, from, row, column + 2, r0.Z, r1.Z, r2.Z, r3.Z);
        StoreColumn(output, bias, arguments, from, row, column + 3, r0.W, r1.W, r2.W, r3.W);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreColumn(
        ArrayView<float> output, ArrayView<float> bias, ImplicitArguments arguments, int from, int row, int column,
        float v0, float v1, float v2, float v3)
    {
        if (column < arguments.Columns)
        {
            int line = column / arguments.Digit2;
            int d2 = column - line * arguments.Digit2;
            int d0 = line / arguments.Digit1;
            int d1 = line - d0 * arguments.Digit1;
            int index = from + d0 * arguments.Output0 + d1 * arguments.Output1 + d2 * arguments.Output2;
            StoreOne(output, bias, arguments, index, row, v0);
            StoreOne(output, bias, arguments, index, row + 1, v1);
            StoreOne(output, bias, arguments, index, row + 2, v2);
            StoreOne(output, bias, arguments, index, row + 3, v3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreOne(ArrayView<float> output, ArrayView<float> bias, ImplicitArguments arguments, int index, int row, float sum)
    {
        if (row < arguments.Rows)
        {
            if (arguments.HasBias != 0)
                sum += bias[row];
            output[index + row * arguments.OutputRow] = sum;
        }
    }

    /// <summary>The place of one column's element in the image, and the two lower digits of its k.</summary>
    private struct WindowCursor
    {
        public int I;
        public int J;
        public int Row;
        public int Column;
        public int Address;
    }

    /// <summary>A thread's part of the tile: four rows of two times four columns.</summary>
    private struct Tile4x8
    {
        public Float4 C00, C01;
        public Float4 C10, C11;
        public Float4 C20, C21;
        public Float4 C30, C31;
    }
}
