using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary>The gradient of a convolution's weight: dWeight[k,c,r,s] += sum_{n,p,q} dY[n,k,p,q] x[n, c, p StrideH + r - PadH, q StrideW + s - PadW].</summary>
/// <remarks>
/// For a channel c and a kernel row r, the taps s of a row of x against all output channels are a product with q as the summed dimension:
/// its left operand are the elements of x as they lie, so only dY is rearranged, image by image, to [p, q, k]. Each task owns some (c, r) and adds up
/// images and rows in order: the result does not depend on who computes it, nor on the number of threads.
/// </remarks>
internal readonly unsafe struct WeightGradient<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const int MaxLines = 21;

    private readonly Conv2dShape shape;
    private readonly int width, lines, tasks, taskLines, paddedRow;

    public WeightGradient(Conv2dShape shape, int threads)
    {
        this.shape = shape;
        width = Up(shape.K, TileKernel<TLanes>.Columns);
        lines = shape.C * shape.R;

        // Many lines a task, so that a row of dY is read from the first-level cache; enough tasks that the workers end together.
        tasks = Math.Max(Pieces(lines, MaxLines), Math.Min(lines, 2 * threads));
        taskLines = Math.Max(1, Pieces(lines, Math.Max(1, tasks)));
        paddedRow = shape.PadW == 0 ? 0 : Workspace.Round((shape.OutW - 1) * shape.StrideW + shape.S);
    }

    /// <summary>Fp32 elements of scratch memory.</summary>
    public int ScratchLength => checked(Workspace.Round(shape.OutH * shape.OutW * width) + Workspace.Round(lines * shape.S * width) + tasks * paddedRow);

    /// <summary>Adds the gradient to <paramref name="dWeight"/>.</summary>
    public void Accumulate(WorkerPool workers, float* x, float* dY, float* dWeight, float* scratch)
    {
        WeightGradient<TLanes> self = this;
        float* turned = scratch;
        float* sums = turned + Workspace.Round(shape.OutH * shape.OutW * width);
        float* rows = sums + Workspace.Round(lines * shape.S * width);
        for (int image = 0; image < shape.N; image++)
        {
            float* imageX = x + (nint)image * shape.C * shape.H * shape.W, imageY = dY + (nint)image * shape.K * shape.OutH * shape.OutW;
            int number = image;
            workers.For(shape.OutH, p => self.Turn(p, imageY, turned));
            workers.For(tasks, task => self.Task(task, number == 0, imageX, turned, sums, rows + (nint)task * self.paddedRow));
        }

        workers.For(lines, line => self.Add(line, sums, dWeight));
    }

    // [k, q] of one output row to [q, k]: all output channels of a position side by side.
    private void Turn(int p, float* dY, float* turned)
    {
        float* source = dY + (nint)p * shape.OutW, target = turned + (nint)p * shape.OutW * width;
        nint plane = (nint)shape.OutH * shape.OutW;
        for (int k = 0; k < shape.K; k += TileKernel<TLanes>.Columns, target += (nint)shape.OutW * TileKernel<TLanes>.Columns)
            Packing.Along(source + k * plane, plane, Math.Min(TileKernel<TLanes>.Columns, shape.K - k), TileKernel<TLanes>.Columns, shape.OutW, target);
    }

    private void Task(int task, bool first, float* x, float* turned, float* sums, float* row)
    {
        int begin = task * taskLines, end = End(task, taskLines, lines);
        if (begin >= end)
            return;
        if (first)
            new Span<float>(sums + (nint)begin * shape.S * width, (end - begin) * shape.S * width).Clear();
        for (int p = 0; p < shape.OutH; p++)
            for (int line = begin; line < end; line++)
            {
                (int c, int r) = Math.DivRem(line, shape.R);
                int h = p * shape.StrideH + r - shape.PadH;
                if ((uint)h >= (uint)shape.H)
                    continue;
                float* taps = x + ((nint)c * shape.H + h) * shape.W;
                if (shape.PadW > 0)
                {
                    PlaneRow.Copy(taps, shape.W, -shape.PadW, 1, (shape.OutW - 1) * shape.StrideW + shape.S, row);
                    taps = row;
                }

                Line(taps, turned + (nint)p * shape.OutW * width, sums + (nint)line * shape.S * width);
            }
    }

    // The taps of one row of x against one row of dY.
    private void Line(float* taps, float* turned, float* sums)
    {
        int pieces = Pieces(shape.S, TileKernel<TLanes>.Rows), rows = Pieces(shape.S, pieces);
        for (int k = 0; k < width; k += TileKernel<TLanes>.Columns, turned += (nint)shape.OutW * TileKernel<TLanes>.Columns)
            for (int s = 0; s < shape.S; s += rows)
                Tile.Multiply<TLanes, ColumnsLeft>(
                    Math.Min(rows, shape.S - s), shape.OutW, taps + s, shape.StrideW, turned, TileKernel<TLanes>.Columns,
                    sums + (nint)s * width + k, width, 1, null, taps, shape.StrideW);
    }

    private void Add(int line, float* sums, float* dWeight)
    {
        (int c, int r) = Math.DivRem(line, shape.R);
        float* from = sums + (nint)line * shape.S * width, to = dWeight + ((nint)c * shape.R + r) * shape.S;
        for (int k = 0; k < shape.K; k++, to += shape.Window)
            for (int s = 0; s < shape.S; s++)
                to[s] += from[s * width + k];
    }
}
