using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using AddSlicesLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, SlicedSum>;
using GemmLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, GemmArguments>;

/// <summary>A matrix in a tensor's memory: rows <paramref name="Stride"/> elements apart, the first one at <paramref name="Offset"/>.</summary>
internal readonly record struct GemmOperand(Tensor Tensor, int Offset, int Stride)
{
    /// <summary>Whether each group of four columns from a multiple of four on can be moved with 128 bits.</summary>
    public bool Aligned => (Tensor.Offset + Offset) % 4 == 0 && Stride % 4 == 0;

    /// <summary>The elements from the first row on.</summary>
    public ArrayView<float> View => Tensor.View().SubView(Offset, Tensor.Length - Offset);
}

/// <summary>The scalars of a product, as its kernels take them.</summary>
internal struct GemmArguments
{
    public int M;
    public int N;
    public int K;
    public int StrideA;
    public int StrideB;
    public int StrideC;
    public int AlignedC;
    public int HasBias;
    public int SliceBlocks;
    public float Beta;
    public int SkippedBlocks;
    public int NextA;
    public int NextB;
}

/// <summary>The scalars of the addition that ends a sliced product: slices of M rows, Stride elements apart, into a matrix whose rows are StrideC apart.</summary>
internal struct SlicedSum
{
    public int M;
    public int N;
    public int Slices;
    public int Stride;
    public int StrideC;
    public int HasBias;
    public float Beta;
}

/// <summary>The matrix product on a GPU, with row strides: the building block of <see cref="IlgpuGemm"/> and of the recurrent layers.</summary>
/// <remarks>
/// A group of 256 threads makes a 128 x 128 tile of C, each thread 8 x 8 of it in registers. Eight values of k at a time lie in shared memory, stored
/// [k][row] and [k][column], so that a thread's operands are eight 64-bit loads for 64 multiply-adds; the next eight travel from global memory into
/// registers meanwhile, then into the second shared buffer, so that one barrier an iteration suffices. Of each four rows the first pair lies in the first half of a
/// shared row, the second in the other: neighbouring pairs would be loaded with 128 bits (<see cref="MultiplyAdd"/> says why not). The halves are 72 floats apart, and
/// rows 140: with 64 and 128, the transposing stores of a warp would meet in the same banks of shared memory.
/// Each element is one chain of multiply-adds in ascending k, or, where the caller has memory for it and the product is worth it (<see cref="GemmSlices"/>), such a chain for each slice of k, in groups
/// of their own: their sums go to [slices, M, N], and a second launch adds them up, first slice first. Several small products of one shape are one launch, the grid's z counting
/// them; of symmetric ones it has the tiles up to the diagonal alone, each stored turned, too. Sources: Volkov and Demmel, SC 2008; Lai and Seznec, CGO 2013.
/// </remarks>
internal sealed class GemmKernels(IlgpuEngine engine)
{
    /// <summary>Rows and columns of C that a group makes.</summary>
    public const int Tile = 128;

    /// <summary>Values of k that are in shared memory at a time: a block.</summary>
    public const int Depth = 8;

    private const int Threads = 256;

    // In pairs, between the first and the second half of the rows, and of the columns, of a tile.
    private const int HalfTile = 16;

    // In floats: where the second pairs of all groups of four lie in a row of a buffer, the row, where B's rows lie behind A's, and how far apart the buffers are:
    // a power of two, so that one exclusive or leads from each to the other.
    private const int SecondPairs = 72;
    private const int SharedRow = 140;
    private const int SharedB = Depth * SharedRow;
    private const int NextBuffer = 4096;
    private const int SharedFloats = NextBuffer + 2 * SharedB;

    private readonly GemmLauncher plain = engine.Load<GemmLauncher>(MultiplyKernel);
    private readonly GemmLauncher transposedB = engine.Load<GemmLauncher>(MultiplyTransposedBKernel);
    private readonly GemmLauncher transposedA = engine.Load<GemmLauncher>(MultiplyTransposedAKernel);
    private readonly GemmLauncher plainUnaligned = engine.Load<GemmLauncher>(MultiplyUnalignedKernel);
    private readonly GemmLauncher transposedBUnaligned = engine.Load<GemmLauncher>(MultiplyTransposedBUnalignedKernel);
    private readonly GemmLauncher transposedAUnaligned = engine.Load<GemmLauncher>(MultiplyTransposedAUnalignedKernel);

    private readonly GemmLauncher symmetric = engine.Load<GemmLauncher>(MultiplySymmetricKernel);
    private readonly GemmLauncher symmetricTransposedA = engine.Load<GemmLauncher>(MultiplySymmetricTransposedAKernel);
    private readonly AddSlicesLauncher addSlices = engine.Load<AddSlicesLauncher>(AddSlicesKernel);

    /// <summary>Tiles that cover so many rows or columns of C.</summary>
    public static int Tiles(int positions) => (positions + Tile - 1) / Tile;

    /// <summary>The fp32 elements that a product of this shape, or of a shorter sum, wants for its slices; 0 where it is not cut.</summary>
    public int SlicesLength(GemmShape shape)
    {
        int most = shape.C.Length == 0 ? 1 : GemmSlices.Most(shape, engine.Multiprocessors);
        return most == 1 ? 0 : checked(most * shape.M * SliceStride(shape.N));
    }

    /// <summary>C = op(A) op(B) + bias + beta C; M and N positive.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="a">[M, K], or [K, M] if transposed.</param>
    /// <param name="b">[K, N], or [N, K] if transposed.</param>
    /// <param name="c">[M, N]; overwritten for beta 0, else accumulated.</param>
    /// <param name="beta">The factor of C's old value; 0 does not read it.</param>
    /// <param name="bias">[N], added to each row; null for none.</param>
    /// <param name="slices">Scratch for the sums of slices of k, <see cref="SlicesLength"/> elements or more from a multiple of four on; overwritten. Null: no sum is cut.</param>
    public void Multiply(GemmShape shape, GemmOperand a, GemmOperand b, GemmOperand c, float beta, Tensor? bias, Tensor? slices = null)
    {
        var plan = slices is null ? new GemmSlices(1, GemmSlices.BlocksOf(shape.K)) : GemmSlices.Of(shape, engine.Multiprocessors);
        if (slices is null || plan.Count == 1)
        {
            MultiplySlices(shape, plan, a, b, c, beta, bias);
            return;
        }

        // Rows of whole groups of four, so that all are stored with 128 bits.
        int stride = SliceStride(shape.N);
        MultiplySlices(shape, plan, a, b, new GemmOperand(slices, 0, stride), 0, null);
        addSlices(
            engine.Stream, IlgpuEngine.Cover(shape.C.Length, Threads), slices.View().SubView(0, plan.Count * shape.M * stride), c.View, bias?.View() ?? c.View,
            new SlicedSum { M = shape.M, N = shape.N, Slices = plan.Count, Stride = stride, StrideC = c.Stride, HasBias = bias is null ? 0 : 1, Beta = beta });
    }

    /// <summary>Products of one shape, each of matrices of its own, in one launch.</summary>
    /// <param name="shape">The sizes of one; M and N positive.</param>
    /// <param name="count">How many.</param>
    /// <param name="a">The first A, the others behind it.</param>
    /// <param name="b">The first B.</param>
    /// <param name="c">The first C; overwritten.</param>
    public void MultiplyEach(GemmShape shape, int count, Tensor a, Tensor b, Tensor c)
    {
        (GemmOperand left, GemmOperand right, GemmOperand product) = Whole(shape, a, b, c);
        Launch(shape, left, right, product, null, count, Each(shape, left, right));
    }

    /// <summary>The same of products that are known to be symmetric: tiles beyond the diagonal are not computed where one operand is transposed and rows are whole groups of four.</summary>
    public void MultiplySymmetric(GemmShape shape, int count, Tensor a, Tensor b, Tensor c)
    {
        (GemmOperand left, GemmOperand right, GemmOperand product) = Whole(shape, a, b, c);
        if (shape.TransposeA == shape.TransposeB || !AreAligned(shape, left, right))
        {
            MultiplyEach(shape, count, a, b, c);
            return;
        }

        // Up to the diagonal there are tiles (tiles + 1) / 2: a rectangle.
        int tiles = Tiles(shape.N);
        var grid = new Index3D(tiles % 2 == 0 ? tiles + 1 : tiles, (tiles + 1) / 2, count);
        GemmLauncher launch = shape.TransposeA ? symmetricTransposedA : symmetric;
        launch(engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), left.View, right.View, product.View, product.View, Sizes(Each(shape, left, right), shape, left, right, product));
    }

    private static int SliceStride(int columns) => (columns + 3) / 4 * 4;

    /// <summary>The product over each slice of k, into as many matrices one behind the other.</summary>
    private void MultiplySlices(GemmShape shape, GemmSlices slices, GemmOperand a, GemmOperand b, GemmOperand c, float beta, Tensor? bias) => Launch(
        shape, a, b, c, bias, slices.Count,
        new GemmArguments { HasBias = bias is null ? 0 : 1, SliceBlocks = slices.Blocks, SkippedBlocks = slices.Blocks, Beta = beta });

    /// <summary>Launches the kernel for these operands; the grid's z counts slices of k, or products.</summary>
    private void Launch(GemmShape shape, GemmOperand a, GemmOperand b, GemmOperand c, Tensor? bias, int count, GemmArguments arguments)
    {
        bool aligned = AreAligned(shape, a, b);
        GemmLauncher launch = shape.TransposeA ? aligned ? transposedA : transposedAUnaligned
            : shape.TransposeB ? aligned ? transposedB : transposedBUnaligned
            : aligned ? plain : plainUnaligned;
        launch(
            engine.Stream, new KernelConfig(new Index3D(Tiles(shape.N), Tiles(shape.M), count), new Index3D(Threads, 1, 1)), a.View, b.View, c.View,
            bias?.View() ?? c.View, Sizes(arguments, shape, a, b, c));
    }

    private static GemmArguments Sizes(GemmArguments arguments, GemmShape shape, GemmOperand a, GemmOperand b, GemmOperand c) => arguments with
    {
        M = shape.M,
        N = shape.N,
        K = shape.K,
        StrideA = a.Stride,
        StrideB = b.Stride,
        StrideC = c.Stride,
        AlignedC = c.Aligned ? 1 : 0,
    };

    /// <summary>Of several products: all of k is one slice, and operands lie one behind the other, counted as the kernel's cursors count.</summary>
    private static GemmArguments Each(GemmShape shape, GemmOperand a, GemmOperand b)
    {
        int unit = AreAligned(shape, a, b) ? 4 : 1;
        return new GemmArguments { SliceBlocks = GemmSlices.BlocksOf(shape.K), NextA = shape.A.Length / unit, NextB = shape.B.Length / unit };
    }

    /// <summary>Whether operands come by whole groups of four, so that a 128-bit load is inside or outside as one.</summary>
    private static bool AreAligned(GemmShape shape, GemmOperand a, GemmOperand b) =>
        a.Aligned && b.Aligned && (shape.TransposeA ? shape.M : shape.K) % 4 == 0 && (shape.TransposeB ? shape.K : shape.N) % 4 == 0;

    private static (GemmOperand A, GemmOperand B, GemmOperand C) Whole(GemmShape shape, Tensor a, Tensor b, Tensor c) =>
        (new GemmOperand(a, 0, shape.A[1]), new GemmOperand(b, 0, shape.B[1]), new GemmOperand(c, 0, shape.N));

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2)]
    private static void MultiplyKernel(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: true, alongB: false, aligned: true, symmetric: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2)]
    private static void MultiplyTransposedBKernel(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: true, alongB: true, aligned: true, symmetric: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2)]
    private static void MultiplyTransposedAKernel(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: false, alongB: false, aligned: true, symmetric: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2)]
    private static void MultiplyUnalignedKernel(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: true, alongB: false, aligned: false, symmetric: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2)]
    private static void MultiplyTransposedBUnalignedKernel(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: true, alongB: true, aligned: false, symmetric: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2)]
    private static void MultiplyTransposedAUnalignedKernel(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: false, alongB: false, aligned: false, symmetric: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2)]
    private static void MultiplySymmetricKernel(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: true, alongB: true, aligned: true, symmetric: true);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2)]
    private static void MultiplySymmetricTransposedAKernel(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: false, alongB: false, aligned: true, symmetric: true);

    /// <summary>One tile of C. The last four are constants: whether the operand's rows run along k, whether both can be read with 128-bit loads, and whether
    /// the product is symmetric.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyTile(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments,
        bool alongA, bool alongB, bool aligned, bool symmetric)
    {
        ArrayView<Float2> shared = SharedMemory.Allocate<Float2>(SharedFloats / 2);
        int thread = Group.IdxX;
        int row0 = Grid.IdxY * Tile;
        int column0 = Grid.IdxX * Tile;
        if (symmetric)
        {
            row0 = RowUpToDiagonal(arguments.N) * Tile;
            column0 = ColumnUpToDiagonal(arguments.N) * Tile;
        }

        // What this thread fetches: along k, four k of one row, two threads a row; across, four columns of one k, a warp a k.
        int positionA = alongA ? thread >> 1 : (thread & 31) * 4;
        int positionB = alongB ? thread >> 1 : (thread & 31) * 4;
        int kA = alongA ? (thread & 1) * 4 : thread >> 5;
        int kB = alongB ? (thread & 1) * 4 : thread >> 5;

        // What this thread computes: rows 4y..4y+3 and 64 more, columns 4x..4x+3 and 64 more of the tile.
        int x = thread & 15;
        int y = thread >> 4;
        Tile8x8 sum = default;

        // Where K is no multiple of eight, the first block starts so far ahead of k = 0 that all others are whole: the loop need not look at k.
        int all = (arguments.K + Depth - 1) / Depth;
        int skipped = Grid.IdxZ * arguments.SkippedBlocks;
        int blocks = IntrinsicMath.Min(arguments.SliceBlocks, all - skipped);
        int ahead = (all - skipped) * Depth - arguments.K;
        Cursor cursorA = Locate(alongA, aligned, row0 + positionA, kA - ahead, arguments.M, arguments.StrideA);
        Cursor cursorB = Locate(alongB, aligned, column0 + positionB, kB - ahead, arguments.N, arguments.StrideB);
        cursorA.Index += Grid.IdxZ * arguments.NextA;
        cursorB.Index += Grid.IdxZ * arguments.NextB;
        Float4 nextA = default;
        Float4 nextB = default;
        if (blocks > 0)
        {
            nextA = FetchFirst(a, alongA, aligned, cursorA, kA - ahead);
            nextB = FetchFirst(b, alongB, aligned, cursorB, kB - ahead);
        }

        int putA = Place(alongA, kA, positionA);
        int putB = Place(alongB, kB, positionB) + (alongB ? SharedB : SharedB / 2);
        Put(shared, alongA, putA, nextA);
        Put(shared, alongB, putB, nextB);
        if (blocks > 1)
        {
            cursorA.Index += cursorA.Step;
            cursorB.Index += cursorB.Step;
            nextA = Fetch(a, aligned, cursorA);
            nextB = Fetch(b, aligned, cursorB);
        }

        Group.Barrier();

        // The operands of each k are read while the k before is multiplied; those of a buffer's first k, before the last one of the other buffer, behind the barrier.
        int readA = y;
        int readB = SharedB / 2 + x;
        Operands first = Read(shared, readA, readB, 0);
        for (int left = blocks - 1; left > 0; left--)
        {
            MultiplyAdd(ref sum, first);
            MultiplyAdd(ref sum, Read(shared, readA, readB, 1));

            // Nobody reads the other buffer now: its readers passed the last barrier. The one below protects this buffer in turn.
            // The fetch follows the stores, and what it fetches is stored in the next round: the assembler leaves it up here, most of a round ahead of the
            // barrier. Fetched and stored in one round, it would move down to the stores, and memory's latency would show.
            putA ^= alongA ? NextBuffer : NextBuffer / 2;
            putB ^= alongB ? NextBuffer : NextBuffer / 2;
            Put(shared, alongA, putA, nextA);
            Put(shared, alongB, putB, nextB);
            cursorA.Index += cursorA.Step;
            cursorB.Index += cursorB.Step;
            if (left > 1)
            {
                nextA = Fetch(a, aligned, cursorA);
                nextB = Fetch(b, aligned, cursorB);
            }

            MultiplyAdd(ref sum, Read(shared, readA, readB, 2));
            MultiplyAdd(ref sum, Read(shared, readA, readB, 3));
            MultiplyAdd(ref sum, Read(shared, readA, readB, 4));
            MultiplyAdd(ref sum, Read(shared, readA, readB, 5));
            MultiplyAdd(ref sum, Read(shared, readA, readB, 6));
            Operands last = Read(shared, readA, readB, 7);
            Group.Barrier();
            readA ^= NextBuffer / 2;
            readB ^= NextBuffer / 2;
            first = Read(shared, readA, readB, 0);
            MultiplyAdd(ref sum, last);
        }

        MultiplyAdd(ref sum, first);
        MultiplyAdd(ref sum, Read(shared, readA, readB, 1));
        MultiplyAdd(ref sum, Read(shared, readA, readB, 2));
        MultiplyAdd(ref sum, Read(shared, readA, readB, 3));
        MultiplyAdd(ref sum, Read(shared, readA, readB, 4));
        MultiplyAdd(ref sum, Read(shared, readA, readB, 5));
        MultiplyAdd(ref sum, Read(shared, readA, readB, 6));
        MultiplyAdd(ref sum, Read(shared, readA, readB, 7));

        if (symmetric && alongB)
        {
            // Found anew: kept throughout, they would cost the loop conflicts between register banks. (Not so with A transposed, which has them if they are found anew.)
            row0 = RowUpToDiagonal(arguments.N) * Tile;
            column0 = ColumnUpToDiagonal(arguments.N) * Tile;
        }

        int row = row0 + 4 * y;
        int column = column0 + 4 * x;
        Float4 biasLeft = ReadBias(bias, arguments, column);
        Float4 biasRight = ReadBias(bias, arguments, column + 64);
        StoreRow(c, arguments, row, column, sum.C00, biasLeft, sum.C01, biasRight);
        StoreRow(c, arguments, row + 1, column, sum.C10, biasLeft, sum.C11, biasRight);
        StoreRow(c, arguments, row + 2, column, sum.C20, biasLeft, sum.C21, biasRight);
        StoreRow(c, arguments, row + 3, column, sum.C30, biasLeft, sum.C31, biasRight);
        StoreRow(c, arguments, row + 64, column, sum.C40, biasLeft, sum.C41, biasRight);
        StoreRow(c, arguments, row + 65, column, sum.C50, biasLeft, sum.C51, biasRight);
        StoreRow(c, arguments, row + 66, column, sum.C60, biasLeft, sum.C61, biasRight);
        StoreRow(c, arguments, row + 67, column, sum.C70, biasLeft, sum.C71, biasRight);
        if (symmetric && row0 != column0)
        {
            StoreTurned(c, arguments, row, column, sum.C00, sum.C10, sum.C20, sum.C30);
            StoreTurned(c, arguments, row, column + 64, sum.C01, sum.C11, sum.C21, sum.C31);
            StoreTurned(c, arguments, row + 64, column, sum.C40, sum.C50, sum.C60, sum.C70);
            StoreTurned(c, arguments, row + 64, column + 64, sum.C41, sum.C51, sum.C61, sum.C71);
        }
    }

    /// <summary>The row of this group's tile among those up to the diagonal, which the grid holds as a rectangle.</summary>
    /// <remarks>Two rows of tiles fill one of the grid: the last one and the first, or the last alone where their number is odd; the last but one and the next; and so on.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int RowUpToDiagonal(int columns)
    {
        int tiles = (columns + Tile - 1) / Tile;
        return Grid.IdxX < tiles - Grid.IdxY ? tiles - Grid.IdxY - 1 : Grid.IdxY + Grid.DimX - tiles - 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ColumnUpToDiagonal(int columns)
    {
        int longer = (columns + Tile - 1) / Tile - Grid.IdxY;
        return Grid.IdxX < longer ? Grid.IdxX : Grid.IdxX - longer;
    }

    /// <summary>Eight elements of A's column k and eight of B's row, from shared memory.</summary>
    /// <remarks>Views, so that all loads of a buffer share two address registers: their offsets are then immediate.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Operands Read(ArrayView<Float2> shared, int firstA, int firstB, int k)
    {
        ArrayView<Float2> a = shared.SubView(firstA, SharedFloats / 2 - firstA);
        ArrayView<Float2> b = shared.SubView(firstB, SharedFloats / 2 - firstB);
        int row = k * (SharedRow / 2);
        Operands operands = default;
        operands.A01 = a[row];
        operands.A23 = a[row + SecondPairs / 2];
        operands.A45 = a[row + HalfTile];
        operands.A67 = a[row + SecondPairs / 2 + HalfTile];
        operands.B01 = b[row];
        operands.B23 = b[row + SecondPairs / 2];
        operands.B45 = b[row + HalfTile];
        operands.B67 = b[row + SecondPairs / 2 + HalfTile];
        return operands;
    }

    /// <summary>Adds the products of one k.</summary>
    /// <remarks>
    /// No result depends on the order of these 64, but their registers do. A multiply-add whose operands share one of four banks takes a cycle more (register number
    /// modulo four, up to sm_6x), unless the one before has read the same register in the same place. 128-bit loads put X to W into banks 0 to 3: a fourth of
    /// all pairs of A's and B's then meet. 64-bit loads leave the assembler the choice of two banks for A and the other two for B, which it makes
    /// with rows walked to and fro.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Tile8x8 sum, Operands operands)
    {
        AddRowBackwards(ref sum.C00, ref sum.C01, operands.A01.X, operands);
        AddRow(ref sum.C10, ref sum.C11, operands.A01.Y, operands);
        AddRowBackwards(ref sum.C20, ref sum.C21, operands.A23.X, operands);
        AddRow(ref sum.C30, ref sum.C31, operands.A23.Y, operands);
        AddRowBackwards(ref sum.C40, ref sum.C41, operands.A45.X, operands);
        AddRow(ref sum.C50, ref sum.C51, operands.A45.Y, operands);
        AddRowBackwards(ref sum.C60, ref sum.C61, operands.A67.X, operands);
        AddRow(ref sum.C70, ref sum.C71, operands.A67.Y, operands);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow(ref Float4 left, ref Float4 right, float a, Operands b)
    {
        left.X = a * b.B01.X + left.X;
        left.Y = a * b.B01.Y + left.Y;
        left.Z = a * b.B23.X + left.Z;
        left.W = a * b.B23.Y + left.W;
        right.X = a * b.B45.X + right.X;
        right.Y = a * b.B45.Y + right.Y;
        right.Z = a * b.B67.X + right.Z;
        right.W = a * b.B67.Y + right.W;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRowBackwards(ref Float4 left, ref Float4 right, float a, Operands b)
    {
        right.W = a * b.B67.Y + right.W;
        right.Z = a * b.B67.X + right.Z;
        right.Y = a * b.B45.Y + right.Y;
        right.X = a * b.B45.X + right.X;
        left.W = a * b.B23.Y + left.W;
        left.Z = a * b.B23.X + left.Z;
        left.Y = a * b.B01.Y + left.Y;
        left.X = a * b.B01.X + left.X;
    }

    /// <summary>Where a thread's four elements lie: those of one row and k.., or those of rows position.. and one k.</summary>
    /// <remarks>A position beyond the edge is moved to the last one: what is computed from it is not stored.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Cursor Locate(bool along, bool aligned, int position, int k, int positions, int stride)
    {
        Cursor cursor = default;
        int first = IntrinsicMath.Min(position, !along && aligned ? positions - 4 : positions - 1);
        cursor.Index = (along ? first * stride + k : k * stride + first) >> (aligned ? 2 : 0);
        cursor.Step = (along ? Depth : Depth * stride) >> (aligned ? 2 : 0);
        cursor.Second = along ? 1 : IntrinsicMath.Min(position + 1, positions - 1) - first;
        cursor.Third = along ? 2 : IntrinsicMath.Min(position + 2, positions - 1) - first;
        cursor.Fourth = along ? 3 : IntrinsicMath.Min(position + 3, positions - 1) - first;
        return cursor;
    }

    /// <summary>The four elements, all of them inside.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 Fetch(ArrayView<float> operand, bool aligned, Cursor cursor) =>
        aligned
            ? operand.Cast<Float4>()[cursor.Index]
            : new Float4(
                operand[cursor.Index], operand[cursor.Index + cursor.Second], operand[cursor.Index + cursor.Third], operand[cursor.Index + cursor.Fourth]);

    /// <summary>The four elements, zero where k is negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 FetchFirst(ArrayView<float> operand, bool along, bool aligned, Cursor cursor, int k)
    {
        Float4 four = default;
        if (k >= 0)
        {
            four = Fetch(operand, aligned, cursor);
        }
        else if (along && !aligned)
        {
            if (k + 1 >= 0)
                four.Y = operand[cursor.Index + 1];
            if (k + 2 >= 0)
                four.Z = operand[cursor.Index + 2];
            if (k + 3 >= 0)
                four.W = operand[cursor.Index + 3];
        }

        return four;
    }

    /// <summary>Where <see cref="Put"/> puts a thread's first element: in floats along k, in pairs across.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Place(bool along, int k, int position) => along
        ? k * SharedRow + (position >> 2) * 2 + (position & 1) + ((position & 2) != 0 ? SecondPairs : 0)
        : k * (SharedRow / 2) + (position >> 2);

    /// <summary>Puts what <see cref="Fetch"/> gave into shared memory, turned so that k is the row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(ArrayView<Float2> shared, bool along, int place, Float4 four)
    {
        if (along)
        {
            ArrayView<float> column = shared.Cast<float>().SubView(place, SharedFloats - place);
            column[0] = four.X;
            column[SharedRow] = four.Y;
            column[2 * SharedRow] = four.Z;
            column[3 * SharedRow] = four.W;
        }
        else
        {
            ArrayView<Float2> pairs = shared.SubView(place, SharedFloats / 2 - place);
            pairs[0] = new Float2(four.X, four.Y);
            pairs[SecondPairs / 2] = new Float2(four.Z, four.W);
        }
    }

    /// <summary>What is added to the columns from one on; zero beyond the edge.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 ReadBias(ArrayView<float> bias, GemmArguments arguments, int column) =>
        Float4.Load(bias, column, arguments.HasBias != 0 ? arguments.N - column : 0, 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(ArrayView<float> c, GemmArguments arguments, int row, int column, Float4 left, Float4 biasLeft, Float4 right, Float4 biasRight)
    {
        if (row < arguments.M)
        {
            StoreFour(c, arguments, row, column, new Float4(left.X + biasLeft.X, left.Y + biasLeft.Y, left.Z + biasLeft.Z, left.W + biasLeft.W));
            StoreFour(c, arguments, row, column + 64, new Float4(right.X + biasRight.X, right.Y + biasRight.Y, right.Z + biasRight.Z, right.W + biasRight.W));
        }
    }

    /// <summary>Stores four rows of four sums as the four columns that they are beyond the diagonal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTurned(ArrayView<float> c, GemmArguments arguments, int row, int column, Float4 first, Float4 second, Float4 third, Float4 fourth)
    {
        if (column < arguments.N)
            StoreFour(c, arguments, column, row, new Float4(first.X, second.X, third.X, fourth.X));
        if (column + 1 < arguments.N)
            StoreFour(c, arguments, column + 1, row, new Float4(first.Y, second.Y, third.Y, fourth.Y));
        if (column + 2 < arguments.N)
            StoreFour(c, arguments, column + 2, row, new Float4(first.Z, second.Z, third.Z, fourth.Z));
        if (column + 3 < arguments.N)
            StoreFour(c, arguments, column + 3, row, new Float4(first.W, second.W, third.W, fourth.W));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour(ArrayView<float> c, GemmArguments arguments, int row, int column, Float4 sum)
    {
        int index = (Grid.IdxZ * arguments.M + row) * arguments.StrideC + column;
        if (arguments.AlignedC != 0 && column + 3 < arguments.N)
        {
            ArrayView<Float4> fours = c.Cast<Float4>();
            if (arguments.Beta != 0)
                sum = Float4.MultiplyAdd(arguments.Beta, fours[index >> 2], sum);
            fours[index >> 2] = sum;
        }
        else
        {
            StoreOne(c, arguments, index, column, sum.X);
            StoreOne(c, arguments, index + 1, column + 1, sum.Y);
            StoreOne(c, arguments, index + 2, column + 2, sum.Z);
            StoreOne(c, arguments, index + 3, column + 3, sum.W);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreOne(ArrayView<float> c, GemmArguments arguments, int index, int column, float sum)
    {
        if (column < arguments.N)
        {
            if (arguments.Beta != 0)
                sum += arguments.Beta * c[index];
            c[index] = sum;
        }
    }

    /// <summary>C = the sum of all slices, first slice first, + bias + beta C; an element a thread.</summary>
    [GpuKernel(Threads)]
    private static void AddSlicesKernel(ArrayView<float> slices, ArrayView<float> c, ArrayView<float> bias, SlicedSum sizes)
    {
        int i = Grid.GlobalIndex.X;
        int row = i / sizes.N;
        int column = i - row * sizes.N;
        if (row < sizes.M)
        {
            int from = row * sizes.Stride + column;
            float sum = 0;
            for (int slice = 0; slice < sizes.Slices; slice++)
                sum += slices[slice * sizes.M * sizes.Stride + from];
            if (sizes.HasBias != 0)
                sum += bias[column];
            int to = row * sizes.StrideC + column;
            if (sizes.Beta != 0)
                sum += sizes.Beta * c[to];
            c[to] = sum;
        }
    }

    /// <summary>The place of four elements: the first, what leads to the next eight k (both in units of four where aligned), and the other three seen from the first.</summary>
    private struct Cursor
    {
        public int Index;
        public int Step;
        public int Second;
        public int Third;
        public int Fourth;
    }

    /// <summary>Eight elements of a column of A and eight of a row of B, by pairs.</summary>
    private struct Operands
    {
        public Float2 A01, A23, A45, A67;
        public Float2 B01, B23, B45, B67;
    }

    /// <summary>A thread's part of the tile: eight rows of two times four columns. Fields, not an array: only these stay in registers.</summary>
    private struct Tile8x8
    {
        public Float4 C00, C01;
        public Float4 C10, C11;
        public Float4 C20, C21;
        public Float4 C30, C31;
        public Float4 C40, C41;
        public Float4 C50, C51;
        public Float4 C60, C61;
        public Float4 C70, C71;
    }

    /// <summary>Two floats that a thread loads and stores with one 64-bit instruction.</summary>
    private struct Float2(float x, float y)
    {
        public float X = x;
        public float Y = y;
    }
}
