using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary>The gradient of a convolution's weight where <see cref="PairedColumns"/> fit: of three taps from a pair of outputs, with four multiplications.</summary>
/// <remarks>
/// The forward pass is linear in its components' weights, so each component's gradient is a sum over pairs of what flows back into its m times its
/// inputs: with dy0 and dy1 of a pair, dm0 = dy0, dm1 = dy0 + dy1, dm2 = dy0 - dy1, dm3 = -dy1; then
/// dg0 = G0 + (G1 + G2) / 2, dg1 = (G1 - G2) / 2, dg2 = (G1 + G2) / 2 + G3.
/// For each output row this is a product with the pairs of several images as the summed dimension; its left operand has, for each pair, the
/// component's inputs of all groups of taps and all rows, so that a kernel's rows lie side by side whichever output row it is at.
/// A task owns an input channel and some output rows, adds up images and rows in order, and its sums are added in order at the end: the result depends
/// neither on who computes it, nor on the number of threads.
/// </remarks>
internal sealed unsafe class PairedWeightGradient<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    // Images that a product sums over, so that its sums come and go seldom. A fixed number: the sums' order must not depend on the images' padding.
    private const int Images = 4;

    // Tasks at least, where output rows suffice: more prepare rows of the input twice.
    private const int MinTasks = 4;

    private readonly Conv2dShape shape;
    private readonly Window window;
    private readonly int threads, width, pairs, images, groups, chunks, chunkRows, rows, pitch;

    public PairedWeightGradient(Conv2dShape shape, int threads)
    {
        this.shape = shape;
        this.threads = threads;
        width = Up(shape.K, TileKernel<TLanes>.Columns);
        pairs = Pieces(shape.OutW, PairedColumns.Outputs);
        images = Math.Min(Images, shape.N);
        window = Window.Forward(shape);
        groups = PairedColumns.Groups(window, 1);
        chunks = Math.Clamp(Pieces(MinTasks, Math.Max(1, shape.C)), 1, Math.Max(1, shape.OutH));
        chunkRows = Pieces(shape.OutH, chunks);
        rows = Up(Math.Max(0, (chunkRows - 1) * shape.StrideH + shape.R), 4);
        pitch = pairs + Pieces(shape.S, PairedColumns.Outputs * shape.StrideW);
    }

    /// <summary>Fp32 elements of scratch memory.</summary>
    public int ScratchLength =>
        checked(Workspace.Round(PairedColumns.Components * OutputsLength) + Tasks * Workspace.Round(SumsLength) + threads * WorkerLength);

    private int Tasks => shape.C * chunks;

    // [output row, block of channels, pair, channel].
    private int OutputsLength => checked(shape.OutH * images * pairs * width);

    // [component, group, r, output channel].
    private int SumsLength => checked(PairedColumns.Components * groups * shape.R * width);

    // A component's inputs: [residue, even or odd, row, pair].
    private int LinesLength => checked(shape.StrideW * PairedColumns.Outputs * rows * pitch);

    // Turned: [group, pair, row].
    private int InputsLength => checked(images * pairs * groups * rows);

    private int WorkerLength => Workspace.Round(
        checked(Math.Max(PairedColumns.Components * (LinesLength + InputsLength) + RowLength, PairedColumns.Outputs * pairs * TileKernel<TLanes>.Columns)));

    private int RowLength => PairedColumns.Outputs * (pitch + 2);

    /// <summary>Adds the gradient to <paramref name="dWeight"/>.</summary>
    public void Accumulate(WorkerPool workers, float* x, float* dY, float* dWeight, float* scratch)
    {
        float* outputs = scratch;
        float* sums = outputs + Workspace.Round(PairedColumns.Components * OutputsLength);
        float* own = sums + (nint)Tasks * Workspace.Round(SumsLength);
        for (int image = 0, taken; image < shape.N; image += taken)
        {
            taken = Math.Min(images, shape.N - image);
            int first = image, some = taken; // for the work, which must not see them move
            float* firstDY = dY + (nint)first * shape.K * shape.OutH * shape.OutW;
            workers.For(some * shape.OutH, (worker, item) =>
                PairOutputs(item / shape.OutH, item % shape.OutH, some, firstDY, outputs, own + (nint)worker * WorkerLength));
            workers.For(Tasks, (worker, task) =>
                Task(task, first, some, x, outputs, sums + (nint)task * Workspace.Round(SumsLength), own + (nint)worker * WorkerLength));
        }

        workers.For(shape.C * shape.R, line => Add(line / shape.R, line % shape.R, sums, dWeight));
    }

    // What flows back into each component from one output row of one image.
    private void PairOutputs(int image, int p, int some, float* dY, float* outputs, float* turned)
    {
        int columns = TileKernel<TLanes>.Columns;
        nint plane = (nint)shape.OutH * shape.OutW;
        for (int k = 0; k < shape.K; k += columns)
        {
            Packing.Along(dY + ((nint)image * shape.K + k) * plane + (nint)p * shape.OutW, plane, Math.Min(columns, shape.K - k), columns, shape.OutW, turned);
            new Span<float>(turned + (nint)shape.OutW * columns, (PairedColumns.Outputs * pairs - shape.OutW) * columns).Clear();
            float* from = turned, to = OutputRow(outputs, 0, p, k, some) + (nint)image * pairs * columns;
            for (int pair = 0; pair < pairs; pair++, from += columns)
                for (int half = 0; half < 2; half++, from += TLanes.Count, to += TLanes.Count)
                {
                    TLanes dy0 = TLanes.Load(from), dy1 = TLanes.Load(from + columns);
                    dy0.Store(to);
                    (dy0 + dy1).Store(to + OutputsLength);
                    (dy0 - dy1).Store(to + 2 * OutputsLength);
                    (default(TLanes) - dy1).Store(to + 3 * OutputsLength);
                }
        }
    }

    private float* OutputRow(float* outputs, int component, int p, int k, int some) =>
        outputs + (nint)component * OutputsLength + ((nint)p * width + k) * some * pairs;

    private void Task(int task, int firstImage, int some, float* x, float* outputs, float* sums, float* memory)
    {
        (int c, int chunk) = Math.DivRem(task, chunks);
        int begin = chunk * chunkRows, end = End(chunk, chunkRows, shape.OutH);
        if (firstImage == 0)
            new Span<float>(sums, SumsLength).Clear();
        float* inputs = memory + PairedColumns.Components * LinesLength;
        for (int image = 0; image < some; image++)
        {
            float* plane = x + ((nint)(firstImage + image) * shape.C + c) * shape.H * shape.W;
            Lines(plane, begin * shape.StrideH - shape.PadH, memory, inputs + PairedColumns.Components * InputsLength);
            Turn(memory, inputs + (nint)image * pairs * rows);
        }

        int pieces = Pieces(shape.R, TileKernel<TLanes>.Rows), columns = TileKernel<TLanes>.Columns;
        for (int component = 0; component < PairedColumns.Components; component++)
            for (int p = begin; p < end; p++)
                for (int k = 0; k < width; k += columns)
                {
                    float* right = OutputRow(outputs, component, p, k, some);
                    for (int group = 0; group < groups; group++)
                        for (int piece = 0; piece < (PairedColumns.Has(window, component, group) ? pieces : 0); piece++)
                        {
                            int r = shape.R * piece / pieces, count = shape.R * (piece + 1) / pieces - r;
                            float* left = inputs + (nint)component * InputsLength + (nint)group * images * pairs * rows + (p - begin) * shape.StrideH + r;
                            Tile.Multiply<TLanes, ColumnsLeft>(
                                count, some * pairs, left, rows, right, columns, Sums(sums, component, group, r) + k, width, 1, null, left, 0);
                        }
                }
    }

    // All components' inputs of some rows of one image's channel; rows outside the plane are zeros.
    private void Lines(float* plane, int firstRow, float* lines, float* row)
    {
        for (int h = 0; h < rows; h++)
            for (int residue = 0; residue < shape.StrideW; residue++)
            {
                bool exists = (uint)(firstRow + h) < (uint)shape.H;
                int column = residue - shape.PadW - PairedColumns.Absent(window, residue) * shape.StrideW;
                PlaneRow.Copy(plane + (firstRow + h) * (nint)shape.W, exists ? shape.W : 0, column, shape.StrideW, RowLength, row);
                float* to = lines + ((nint)residue * PairedColumns.Outputs * rows + h) * pitch;
                Elementwise.Run(new PairedInputs(row, to, (nint)rows * pitch, LinesLength), pitch);
            }
    }

    private void Turn(float* lines, float* inputs)
    {
        for (int component = 0; component < PairedColumns.Components; component++)
            for (int group = 0; group < groups; group++)
            {
                (int residue, int number) = PairedColumns.Locate(window, 1, group);
                (int pair, int odd) = Math.DivRem(number * PairedColumns.GroupTaps, PairedColumns.Outputs);
                float* from = lines + (nint)component * LinesLength + (nint)(residue * PairedColumns.Outputs + odd) * rows * pitch + pair;
                Packing.Transpose(from, pitch, rows, pairs, inputs + (nint)component * InputsLength + (nint)group * images * pairs * rows, rows);
            }
    }

    private float* Sums(float* sums, int component, int group, int r) => sums + (((nint)component * groups + group) * shape.R + r) * width;

    // The gradients of one row of the kernel for one input channel.
    private void Add(int c, int r, float* sums, float* dWeight)
    {
        float* to = dWeight + ((nint)c * shape.R + r) * shape.S;
        for (int group = 0; group < groups; group++)
        {
            (int residue, int number) = PairedColumns.Locate(window, 1, group);
            for (int k = 0; k < shape.K; k++)
            {
                float g0 = Total(c, 0, group, r, k, sums), g1 = Total(c, 1, group, r, k, sums);
                float g2 = Total(c, 2, group, r, k, sums), g3 = Total(c, 3, group, r, k, sums), half = 0.5f * (g1 + g2);
                AddTo(k, 0, g0 + half);
                AddTo(k, 1, 0.5f * (g1 - g2));
                AddTo(k, 2, half + g3);
            }

            void AddTo(int k, int tap, float gradient)
            {
                int s = PairedColumns.Column(window, residue, number, tap);
                if (s >= 0)
                    to[(nint)k * shape.Window + s] += gradient;
            }
        }
    }

    private float Total(int c, int component, int group, int r, int k, float* sums)
    {
        float total = 0;
        for (int chunk = 0; chunk < chunks; chunk++)
            total += Sums(sums + (nint)(c * chunks + chunk) * Workspace.Round(SumsLength), component, group, r)[k];
        return total;
    }
}
