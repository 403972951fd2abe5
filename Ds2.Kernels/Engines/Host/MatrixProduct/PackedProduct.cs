using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The matrix product for operands that are used many times each: both are packed block by block, then multiplied from cache.</summary>
/// <remarks>
/// C is cut into blocks, K into slices. For each slice the workers pack shares of A and B, wait for one another, and multiply tiles of the block;
/// who is done early packs for the next slice into the other half of the buffer, so that there is one wait a slice.
/// An element's sum runs over the slices in order, whoever computes it.
/// Source: Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008;
/// Van Zee, van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS Functionality", ACM TOMS 41(3), 2015.
/// </remarks>
internal sealed unsafe class PackedProduct<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    // A slice of a panel of B (384 x 16 floats, 24 KiB, with AVX2) stays close while panels of A pass by, or one of A (384 x 12, 18 KiB, with AVX-512) while
    // panels of B do; a longer slice moves C less often.
    private const int MaxK = 384;
    private const int FirstLevelCache = 32 << 10;

    // Each block of C packs its parts of A and B anew. Two steps' parts, 15 MB, are written to and read from a third-level cache, but wait in memory as well
    // where that is smaller: a panel is used dozens of times once it is fetched.
    private const int MaxM = 2304;
    private const int MaxN = 2560;

    // A worker's share of work at a time: its parts of A and B (288 and 384 KiB) stay in the second-level cache.
    private const int TaskM = 192;
    private const int TaskN = 256;

    // Up to so many columns of C a panel of A is used too seldom to pay for its packing: its rows are read where they lie, unless in the first-level cache
    // they would drive one another out.
    private const int MaxDirectN = 1024;
    private const int SameSet = 1024;

    // Rows of panels that are packed in one go: where they lie side by side in memory, several cache lines of each k. A multiple of every panel's width.
    private const int PackRows = 96;

    private readonly int m, n, k;
    private readonly bool transposeA, transposeB;
    private readonly float* a, b, c, bias;
    private readonly nint lda, ldb, ldc;
    private readonly float beta;

    private readonly float* packing;
    private readonly bool packsA;
    private readonly int blocksM, blocksN, slices, blockM, blockN, slice, steps, taskM, taskN;
    private int next = -1;
    private int done;

    public PackedProduct(
        WorkerPool workers, int m, int n, int k, bool transposeA, bool transposeB,
        float* a, int lda, float* b, int ldb, float* c, int ldc, float beta, float* bias)
    {
        (this.m, this.n, this.k, this.transposeA, this.transposeB) = (m, n, k, transposeA, transposeB);
        (this.lda, this.ldb, this.ldc, this.beta) = (lda, ldb, ldc, beta);
        this.a = a;
        this.b = b;
        this.c = c;
        this.bias = bias;
        blocksM = Pieces(m, MaxM);
        blocksN = Pieces(n, MaxN);
        slices = Pieces(k, MaxK);
        blockM = Up(Pieces(m, blocksM), Rows);
        blockN = Up(Pieces(n, blocksN), Columns);
        slice = Up(Pieces(k, slices), TileKernel<TLanes>.Unroll);
        steps = blocksM * blocksN * slices;
        packsA = transposeA || n > MaxDirectN || lda % SameSet == 0;
        packing = workers.Scratch(2 * HalfBuffer);

        // Enough tasks that the last ones of a step end at about the same time.
        (taskM, taskN) = (TaskM, TaskN);
        while (Pieces(blockM, taskM) * Pieces(blockN, taskN) < 4 * workers.Threads && (taskM > Rows * 4 || taskN > Columns))
            if (taskN > Columns && (taskN >= taskM || taskM <= Rows * 4))
                taskN = Up(taskN / 2, Columns);
            else
                taskM = Up(taskM / 2, Rows);
    }

    private static int Rows => TileKernel<TLanes>.Rows;

    private static int Columns => TileKernel<TLanes>.Columns;

    private static int HalfBuffer => (MaxM + MaxN) * MaxK;

    /// <summary>What each worker does; those that come compute the product together.</summary>
    public void Work(WorkerPool workers)
    {
        // Tickets number the tasks of all steps one after the other: a step's products, and the packing for the next, when all before them is done.
        int ticket = Interlocked.Increment(ref next);
        int first = 0;
        Step previous = default;
        for (int number = 0; number <= steps; number++)
        {
            Step current = number < steps ? Locate(number) : default;
            int packs = first + previous.Tasks, end = packs + current.Packs;
            for (; ticket < end; ticket = Interlocked.Increment(ref next))
            {
                workers.WaitUntil(ref done, first);
                if (ticket < packs)
                    MultiplyTask(previous, ticket - first);
                else
                    PackTask(current, ticket - packs);
                Interlocked.Increment(ref done);
            }

            first = end;
            previous = current;
        }
    }

    private Step Locate(int number)
    {
        int p = number % slices, block = number / slices;
        int i = block % blocksM * blockM, j = block / blocksM * blockN;
        float* half = packing + (number & 1) * HalfBuffer;
        var step = new Step
        {
            Row = i,
            Column = j,
            Depth = p * slice,
            M = Math.Min(blockM, m - i),
            N = Math.Min(blockN, n - j),
            K = Math.Min(slice, k - p * slice),
            A = packsA ? half : a + i * lda + (nint)p * slice,
            B = half + MaxM * MaxK,
        };
        step.NextA = packsA ? Rows * step.K : Rows * lda;
        step.PacksA = packsA ? Pieces(step.M, PackRows) : 0;
        step.Packs = step.PacksA + Pieces(step.N, PackRows);
        step.TasksN = Pieces(step.N, taskN);
        step.Tasks = Pieces(step.M, taskM) * step.TasksN;
        return step;
    }

    private void PackTask(in Step step, int task)
    {
        if (task < step.PacksA)
            Pack(a + (transposeA ? step.Depth * lda + step.Row : step.Row * lda + step.Depth), lda, transposeA, task, step.M, Rows, step.K, step.A);
        else
            Pack(b + (transposeB ? step.Column * ldb + step.Depth : step.Depth * ldb + step.Column), ldb, !transposeB, task - step.PacksA, step.N, Columns, step.K, step.B);
    }

    private static void Pack(float* source, nint stride, bool across, int task, int length, int width, int k, float* target)
    {
        int start = task * PackRows, end = Math.Min(length, start + PackRows);
        if (across)
            Packing.Across(source + start, stride, end - start, width, k, target + (nint)start * k);
        else
            for (int i = start; i < end; i += width)
                Packing.Along(source + i * stride, stride, Math.Min(width, end - i), width, k, target + (nint)i * k);
    }

    private void MultiplyTask(in Step step, int task)
    {
        if (packsA)
            MultiplyTask<PackedLeft>(step, task);
        else
            MultiplyTask<RowsLeft>(step, task);
    }

    // One panel stays in the first-level cache while the other operand's pass by: A's where B's is too large for that, and only there: written row by row, C can take
    // twice as long where little is summed.
    private void MultiplyTask<TLeft>(in Step step, int task)
        where TLeft : struct, ILeftLayout
    {
        int i0 = task / step.TasksN * taskM, j0 = task % step.TasksN * taskN;
        int i1 = Math.Min(step.M, i0 + taskM), j1 = Math.Min(step.N, j0 + taskN);
        if (step.K * Columns * sizeof(float) > FirstLevelCache)
            for (int i = i0; i < i1; i += Rows)
                TilesBeside<TLeft>(step, i, Math.Min(Rows, i1 - i), j0, j1);
        else
            for (int j = j0; j < j1; j += Columns)
                TilesBelow<TLeft>(step, i0, i1, j, Math.Min(Columns, j1 - j));
    }

    // What follows a panel of B in memory is asked for meanwhile.
    private void TilesBeside<TLeft>(in Step step, int i, int rows, int j0, int j1)
        where TLeft : struct, ILeftLayout
    {
        int tiles = (j1 - j0) / Columns, rest = (j1 - j0) % Columns;
        nint next = (nint)Columns * step.K;
        float* panelA = step.A + i / Rows * step.NextA, panelB = step.B + (nint)j0 * step.K;
        Tile.Multiply<TLanes, TLeft>(
            tiles, rows, step.K, panelA, lda, 0, panelB, Columns, next, Target(step, i, j0), ldc, Columns, Factor(step), Added(step, j0), panelB + next, Columns);
        if (rest > 0)
            Tile.MultiplyPart<TLanes, TLeft>(
                rows, rest, step.K, panelA, lda, panelB + tiles * next, Columns, Target(step, i, j1 - rest), ldc, Factor(step), Added(step, j1 - rest),
                panelA + step.NextA, Rows);
    }

    // What follows a panel of A.
    private void TilesBelow<TLeft>(in Step step, int i0, int i1, int j, int columns)
        where TLeft : struct, ILeftLayout
    {
        int tiles = (i1 - i0) / Rows, rest = (i1 - i0) % Rows;
        float* panelA = step.A + i0 / Rows * step.NextA, panelB = step.B + (nint)j * step.K;
        if (columns < Columns)
        {
            for (int i = i0; i < i1; i += Rows, panelA += step.NextA)
                Tile.MultiplyPart<TLanes, TLeft>(
                    Math.Min(Rows, i1 - i), columns, step.K, panelA, lda, panelB, Columns, Target(step, i, j), ldc, Factor(step), Added(step, j),
                    panelA + step.NextA, Rows);
            return;
        }

        Tile.Multiply<TLanes, TLeft>(
            tiles, Rows, step.K, panelA, lda, step.NextA, panelB, Columns, 0, Target(step, i0, j), ldc, Rows * ldc, Factor(step), Added(step, j),
            panelA + step.NextA, Rows);
        if (rest > 0)
            Tile.Multiply<TLanes, TLeft>(
                rest, step.K, panelA + tiles * step.NextA, lda, panelB, Columns, Target(step, i1 - rest, j), ldc, Factor(step), Added(step, j),
                panelB, 0);
    }

    private float* Target(in Step step, int i, int j) => c + (step.Row + i) * ldc + step.Column + j;

    // The first slice brings C's old value and the bias, the others add to it.
    private float Factor(in Step step) => step.Depth == 0 ? beta : 1;

    private float* Added(in Step step, int j) => step.Depth == 0 && bias is not null ? bias + step.Column + j : null;

    /// <summary>One block of C and one slice of K: what is packed between two meetings.</summary>
    private struct Step
    {
        public nint Row, Column, Depth, NextA;
        public int M, N, K;
        public float* A, B;
        public int Packs, PacksA, Tasks, TasksN;
    }
}
