using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

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
    public int AlignedA;
    public int AlignedB;
    public int AlignedC;
    public int HasBias;
    public float Beta;
}

/// <summary>The matrix product on a GPU, with row strides: the building block of <see cref="IlgpuGemm"/> and of the recurrent layers.</summary>
/// <remarks>
/// A group of 256 threads makes a 128 x 128 tile of C, each thread 8 x 8 of it in registers. Eight values of k at a time lie in shared memory, stored
/// [k][row] and [k][column], so that a thread's operands are four 128-bit loads for 64 multiply-adds; the next eight travel from global memory into
/// registers meanwhile, then into the second shared buffer, so that one barrier an iteration suffices. A row of a shared buffer has 132 floats:
/// with 128, the transposing stores of the two halves of a warp would meet in the same banks.
/// Each element is one chain of multiply-adds in ascending k. Sources: Volkov and Demmel, SC 2008; Lai and Seznec, CGO 2013.
/// </remarks>
internal sealed class GemmKernels(IlgpuEngine engine)
{
    private const int Threads = 256;
    private const int Tile = 128;
    private const int Depth = 8;

    // In units of Float4.
    private const int SharedRow = 33;
    private const int SharedBuffer = Depth * SharedRow;
    private const int HalfTile = 16;

    private readonly GemmLauncher plain = engine.Load<GemmLauncher>(MultiplyKernel);
    private readonly GemmLauncher transposedB = engine.Load<GemmLauncher>(MultiplyTransposedBKernel);
    private readonly GemmLauncher transposedA = engine.Load<GemmLauncher>(MultiplyTransposedAKernel);

    /// <summary>C = op(A) op(B) + bias + beta C; M and N positive.</summary>
    public void Multiply(GemmShape shape, GemmOperand a, GemmOperand b, GemmOperand c, float beta, Tensor? bias)
    {
        var arguments = new GemmArguments
        {
            M = shape.M,
            N = shape.N,
            K = shape.K,
            StrideA = a.Stride,
            StrideB = b.Stride,
            StrideC = c.Stride,
            AlignedA = a.Aligned ? 1 : 0,
            AlignedB = b.Aligned ? 1 : 0,
            AlignedC = c.Aligned ? 1 : 0,
            HasBias = bias is null ? 0 : 1,
            Beta = beta,
        };
        var grid = new Index3D((shape.N + Tile - 1) / Tile, (shape.M + Tile - 1) / Tile, 1);
        GemmLauncher launch = shape.TransposeA ? transposedA : shape.TransposeB ? transposedB : plain;
        launch(engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), a.View, b.View, c.View, bias?.View() ?? c.View, arguments);
    }

    [GpuKernel(Threads)]
    private static void MultiplyKernel(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: true, alongB: false);

    [GpuKernel(Threads)]
    private static void MultiplyTransposedBKernel(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: true, alongB: true);

    [GpuKernel(Threads)]
    private static void MultiplyTransposedAKernel(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments) =>
        MultiplyTile(a, b, c, bias, arguments, alongA: false, alongB: false);

    /// <summary>One tile of C. <paramref name="alongA"/>, <paramref name="alongB"/>: constants; whether the operand's rows run along k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyTile(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments, bool alongA, bool alongB)
    {
        ArrayView<Float4> sharedA = SharedMemory.Allocate<Float4>(2 * SharedBuffer);
        ArrayView<Float4> sharedB = SharedMemory.Allocate<Float4>(2 * SharedBuffer);
        int thread = Group.IdxX;
        int row0 = Grid.IdxY * Tile;
        int column0 = Grid.IdxX * Tile;

        // What this thread fetches: along k, four k of one row, two threads a row; across, four columns of one k, a warp a k.
        int k = alongA ? (thread & 1) * 4 : thread >> 5;
        int positionA = alongA ? thread >> 1 : (thread & 31) * 4;
        int kB = alongB ? (thread & 1) * 4 : thread >> 5;
        int positionB = alongB ? thread >> 1 : (thread & 31) * 4;

        // What this thread computes: rows 4y..4y+3 and 64 more, columns 4x..4x+3 and 64 more of the tile.
        int x = thread & 15;
        int y = thread >> 4;
        bool active = row0 + 4 * y < arguments.M && column0 + 4 * x < arguments.N;

        Tile8x8 sum = default;
        Float4 nextA = Fetch(a, alongA, row0 + positionA, k, arguments.M, arguments.K, arguments.StrideA, arguments.AlignedA);
        Float4 nextB = Fetch(b, alongB, column0 + positionB, kB, arguments.N, arguments.K, arguments.StrideB, arguments.AlignedB);
        Put(sharedA, alongA, 0, positionA, k, nextA);
        Put(sharedB, alongB, 0, positionB, kB, nextB);
        Group.Barrier();

        int buffer = 0;
        for (int k0 = 0; k0 < arguments.K; k0 += Depth)
        {
            int next = k0 + Depth;
            nextA = Fetch(a, alongA, row0 + positionA, next + k, arguments.M, arguments.K, arguments.StrideA, arguments.AlignedA);
            nextB = Fetch(b, alongB, column0 + positionB, next + kB, arguments.N, arguments.K, arguments.StrideB, arguments.AlignedB);
            if (active)
            {
                int rowA = buffer + y;
                int rowB = buffer + x;

                // Written out: neither ILGPU nor, within this branch, the assembler unrolls a loop.
                MultiplyAdd(ref sum, sharedA, sharedB, rowA, rowB);
                MultiplyAdd(ref sum, sharedA, sharedB, rowA + SharedRow, rowB + SharedRow);
                MultiplyAdd(ref sum, sharedA, sharedB, rowA + 2 * SharedRow, rowB + 2 * SharedRow);
                MultiplyAdd(ref sum, sharedA, sharedB, rowA + 3 * SharedRow, rowB + 3 * SharedRow);
                MultiplyAdd(ref sum, sharedA, sharedB, rowA + 4 * SharedRow, rowB + 4 * SharedRow);
                MultiplyAdd(ref sum, sharedA, sharedB, rowA + 5 * SharedRow, rowB + 5 * SharedRow);
                MultiplyAdd(ref sum, sharedA, sharedB, rowA + 6 * SharedRow, rowB + 6 * SharedRow);
                MultiplyAdd(ref sum, sharedA, sharedB, rowA + 7 * SharedRow, rowB + 7 * SharedRow);
            }

            // Nobody reads the other buffer now: its readers passed the last barrier. The one below protects this buffer in turn.
            buffer ^= SharedBuffer;
            Put(sharedA, alongA, buffer, positionA, k, nextA);
            Put(sharedB, alongB, buffer, positionB, kB, nextB);
            Group.Barrier();
        }

        int row = row0 + 4 * y;
        int column = column0 + 4 * x;
        StoreRow(c, bias, arguments, row, column, sum.C00, sum.C01);
        StoreRow(c, bias, arguments, row + 1, column, sum.C10, sum.C11);
        StoreRow(c, bias, arguments, row + 2, column, sum.C20, sum.C21);
        StoreRow(c, bias, arguments, row + 3, column, sum.C30, sum.C31);
        StoreRow(c, bias, arguments, row + 64, column, sum.C40, sum.C41);
        StoreRow(c, bias, arguments, row + 65, column, sum.C50, sum.C51);
        StoreRow(c, bias, arguments, row + 66, column, sum.C60, sum.C61);
        StoreRow(c, bias, arguments, row + 67, column, sum.C70, sum.C71);
    }

    /// <summary>Adds the products of one k: eight elements of A's column and eight of B's row, both in shared memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Tile8x8 sum, ArrayView<Float4> sharedA, ArrayView<Float4> sharedB, int rowA, int rowB)
    {
        Float4 a0 = sharedA[rowA];
        Float4 a1 = sharedA[rowA + HalfTile];
        Float4 b0 = sharedB[rowB];
        Float4 b1 = sharedB[rowB + HalfTile];
        sum.C00 = Float4.MultiplyAdd(a0.X, b0, sum.C00);
        sum.C01 = Float4.MultiplyAdd(a0.X, b1, sum.C01);
        sum.C10 = Float4.MultiplyAdd(a0.Y, b0, sum.C10);
        sum.C11 = Float4.MultiplyAdd(a0.Y, b1, sum.C11);
        sum.C20 = Float4.MultiplyAdd(a0.Z, b0, sum.C20);
        sum.C21 = Float4.MultiplyAdd(a0.Z, b1, sum.C21);
        sum.C30 = Float4.MultiplyAdd(a0.W, b0, sum.C30);
        sum.C31 = Float4.MultiplyAdd(a0.W, b1, sum.C31);
        sum.C40 = Float4.MultiplyAdd(a1.X, b0, sum.C40);
        sum.C41 = Float4.MultiplyAdd(a1.X, b1, sum.C41);
        sum.C50 = Float4.MultiplyAdd(a1.Y, b0, sum.C50);
        sum.C51 = Float4.MultiplyAdd(a1.Y, b1, sum.C51);
        sum.C60 = Float4.MultiplyAdd(a1.Z, b0, sum.C60);
        sum.C61 = Float4.MultiplyAdd(a1.Z, b1, sum.C61);
        sum.C70 = Float4.MultiplyAdd(a1.W, b0, sum.C70);
        sum.C71 = Float4.MultiplyAdd(a1.W, b1, sum.C71);
    }

    /// <summary>Four elements of an operand, zero beyond its edges: of one row and k.., or of rows position.. and one k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 Fetch(ArrayView<float> operand, bool along, int position, int k, int positions, int depth, int stride, int aligned)
    {
        int outer = along ? position : k;
        int inner = along ? k : position;
        int outerCount = along ? positions : depth;
        int innerCount = along ? depth : positions;
        return Float4.Load(operand, outer * stride + inner, outer < outerCount ? innerCount - inner : 0, aligned);
    }

    /// <summary>Puts what <see cref="Fetch"/> gave into shared memory, turned so that k is the row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(ArrayView<Float4> shared, bool along, int buffer, int position, int k, Float4 four)
    {
        if (along)
        {
            ArrayView<float> floats = shared.Cast<float>();
            int index = (buffer + k * SharedRow) * 4 + position;
            floats[index] = four.X;
            floats[index + SharedRow * 4] = four.Y;
            floats[index + SharedRow * 8] = four.Z;
            floats[index + SharedRow * 12] = four.W;
        }
        else
        {
            shared[buffer + k * SharedRow + (position >> 2)] = four;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(
        ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments, int row, int column, Float4 left, Float4 right)
    {
        if (row < arguments.M)
        {
            StoreFour(c, bias, arguments, row, column, left);
            StoreFour(c, bias, arguments, row, column + 64, right);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour(ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments, int row, int column, Float4 sum)
    {
        int index = row * arguments.StrideC + column;
        if (arguments.AlignedC != 0 && column + 3 < arguments.N)
        {
            ArrayView<Float4> fours = c.Cast<Float4>();
            if (arguments.HasBias != 0)
                sum = new Float4(sum.X + bias[column], sum.Y + bias[column + 1], sum.Z + bias[column + 2], sum.W + bias[column + 3]);
            if (arguments.Beta != 0)
                sum = Float4.MultiplyAdd(arguments.Beta, fours[index >> 2], sum);
            fours[index >> 2] = sum;
        }
        else
        {
            StoreOne(c, bias, arguments, index, column, sum.X);
            StoreOne(c, bias, arguments, index + 1, column + 1, sum.Y);
            StoreOne(c, bias, arguments, index + 2, column + 2, sum.Z);
            StoreOne(c, bias, arguments, index + 3, column + 3, sum.W);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreOne(ArrayView<float> c, ArrayView<float> bias, GemmArguments arguments, int index, int column, float sum)
    {
        if (column < arguments.N)
        {
            if (arguments.HasBias != 0)
                sum += bias[column];
            if (arguments.Beta != 0)
                sum += arguments.Beta * c[index];
            c[index] = sum;
        }
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
}
