using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary>Computes a <see cref="Window"/>'s sums at the speed of a matrix product, without writing a window matrix.</summary>
/// <remarks>
/// A task is a stripe of columns of one image. For each block of input channels it copies the stripe, with the zeros left and right of the plane and
/// with columns sorted by their residue modulo the stride, so that neighbouring outputs read neighbouring elements; then every tile of the
/// stripe runs over the block's taps. A block is so small that the weights of a group of output channels and the rows of the stripe that a tile
/// sees lie in the first-level cache together; the tiles' sums wait in the second-level cache for the next block.
/// </remarks>
internal sealed unsafe class WindowProduct<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    // 16 KiB of a group's weights.
    private static int MaxTaps => 4096 / WindowKernel<TLanes>.Rows;

    private const int StripeVectors = 2 * WindowKernel<TLanes>.Vectors;

    private readonly Window window;
    private readonly int blockInputs, blocks, groups, stripes, stripe;
    private readonly int pitch, rowPitch, planePitch;

    public WindowProduct(in Window window)
    {
        this.window = window;
        blockInputs = Math.Clamp(MaxTaps / Math.Max(1, window.Rows * window.Columns), 1, Math.Max(1, window.Inputs));
        blocks = Math.Max(1, Pieces(window.Inputs, blockInputs));
        blockInputs = Math.Max(1, Pieces(window.Inputs, blocks));
        groups = Pieces(window.Outputs, WindowKernel<TLanes>.Rows);
        int vectors = Pieces(window.CountJ, TLanes.Count);
        stripes = Pieces(vectors, StripeVectors);
        stripe = Pieces(vectors, Math.Max(1, stripes)) * TLanes.Count;
        pitch = stripe + Pieces(window.Columns, window.ColumnStep);
        rowPitch = pitch * window.ColumnStep;
        planePitch = rowPitch * window.PlaneRows;
    }

    /// <summary>Fp32 elements of the packed weights, the offsets behind them included.</summary>
    public int WeightLength => Workspace.Round(blocks * groups * BlockWeights) + Workspace.Round(BlockTaps);

    /// <summary>Fp32 elements of a worker's memory: its copy of a stripe, and the sums of the stripe's tiles.</summary>
    public int StripeLength => CopyLength + Workspace.Round(checked(groups * window.CountI * Pieces(stripe, TLanes.Count) * TileLength));

    /// <summary>Independent pieces of packing the weights.</summary>
    public int PackTasks => blocks * groups;

    /// <summary>Independent pieces of one image.</summary>
    public int ImageTasks => window.CountI > 0 ? stripes : 0;

    private int CopyLength => Workspace.Round(Math.Max(0, blockInputs * planePitch));

    private static int TileLength => WindowKernel<TLanes>.Rows * WindowKernel<TLanes>.Columns;

    private int BlockTaps => blockInputs * window.Rows * window.Columns;

    private int BlockWeights => BlockTaps * WindowKernel<TLanes>.Rows;

    /// <summary>Packs the weights of one block and group: [r, c, s, output], so that the taps of some rows lie together.</summary>
    public void Pack(int task, float* weight, float* packed)
    {
        if (task == 0)
            FillOffsets((int*)(packed + Workspace.Round(blocks * groups * BlockWeights)));
        int block = task / groups, firstOutput = FirstOutput(task % groups), firstInput = block * blockInputs;
        int inputs = Math.Min(blockInputs, window.Inputs - firstInput), outputs = FirstOutput(task % groups + 1) - firstOutput;
        float* target = packed + (nint)task * BlockWeights;
        for (int r = 0; r < window.Rows; r++)
            for (int c = 0; c < blockInputs; c++)
            {
                float* source = weight + window.WeightOrigin + r * window.WeightRowStep
                    + (nint)firstOutput * window.WeightOutputStep + (nint)(firstInput + c) * window.WeightInputStep;
                for (int s = 0; s < window.Columns; s++, target += WindowKernel<TLanes>.Rows)
                    for (int o = 0; o < outputs; o++)
                        target[o] = c < inputs ? source[s * window.WeightColumnStep + (nint)o * window.WeightOutputStep] : 0;
            }
    }

    /// <summary>One stripe of one image.</summary>
    /// <param name="task">The stripe.</param>
    /// <param name="source">The image: [inputs, rows, columns].</param>
    /// <param name="packed">The packed weights.</param>
    /// <param name="copy">This worker's memory, of <see cref="StripeLength"/> elements.</param>
    /// <param name="bias">One number per output channel; may be null.</param>
    /// <param name="target">The result: [outputs, rows, columns]; the window's positions are overwritten.</param>
    public void Run(int task, float* source, float* packed, float* copy, float* bias, float* target)
    {
        int firstJ = task * stripe, columns = Math.Min(stripe, window.CountJ - firstJ);
        int* offsets = (int*)(packed + Workspace.Round(blocks * groups * BlockWeights));
        for (int block = 0; block < blocks; block++)
        {
            int firstInput = block * blockInputs;
            Copy(source + (nint)firstInput * window.PlaneRows * window.PlaneColumns, Math.Min(blockInputs, window.Inputs - firstInput), firstJ, copy);
            Multiply(block, firstJ, columns, packed + (nint)block * groups * BlockWeights, offsets, copy, copy + CopyLength, bias, target);
        }
    }

    private void FillOffsets(int* offsets)
    {
        for (int r = 0; r < window.Rows; r++)
            for (int c = 0; c < blockInputs; c++)
                for (int s = 0; s < window.Columns; s++)
                {
                    int column = window.Direction > 0 ? s : window.Columns - 1 - s;
                    *offsets++ = c * planePitch + window.Direction * r * rowPitch + column % window.ColumnStep * pitch + column / window.ColumnStep;
                }
    }

    // [input, row, residue of the column, column / step], zero outside the plane.
    private void Copy(float* source, int inputs, int firstJ, float* copy)
    {
        int step = window.ColumnStep, first = firstJ * step + window.ColumnOrigin;
        for (int line = 0; line < inputs * window.PlaneRows; line++, source += window.PlaneColumns)
            for (int residue = 0; residue < step; residue++, copy += pitch)
            {
                // Elements index of the copy with 0 <= first + residue + index * step < PlaneColumns.
                int from = Math.Clamp((step - 1 - first - residue) / step, 0, pitch);
                if (first + residue >= 0)
                    from = 0;
                int end = Math.Clamp((window.PlaneColumns - first - residue + step - 1) / step, from, pitch);
                if (window.PlaneColumns <= first + residue)
                    end = from;
                float* start = source + first + residue;
                new Span<float>(copy, from).Clear();
                if (step == 1)
                    new Span<float>(start + from, end - from).CopyTo(new Span<float>(copy + from, end - from));
                else
                    for (int index = from; index < end; index++)
                        copy[index] = start[(nint)index * step];
                new Span<float>(copy + end, pitch - end).Clear();
            }

        // The last block may be short of channels: its weights are zero, and zero times whatever lay here before might be NaN.
        new Span<float>(copy, (blockInputs - inputs) * planePitch).Clear();
    }

    // Every tile of the stripe over one block's taps: group by group, so that a group's weights stay in the first-level cache while the tiles pass over them.
    private void Multiply(int block, int firstJ, int columns, float* weights, int* offsets, float* copy, float* sums, float* bias, float* target)
    {
        int rowVectors = Pieces(columns, TLanes.Count), vectors = window.CountI * rowVectors, taps = blockInputs * window.Columns;
        float** sources = stackalloc float*[WindowKernel<TLanes>.Vectors];
        float* tile = sums;
        for (int group = 0; group < groups; group++, weights += BlockWeights)
        {
            int firstOutput = FirstOutput(group), outputs = FirstOutput(group + 1) - firstOutput;
            for (int vector = 0, count; vector < vectors; vector += count, tile += TileLength)
            {
                // Up to three vectors, of this row and the next, where the same taps apply there; for absent ones the first again.
                (int first, int end) = window.TapRows(vector / rowVectors);
                for (count = 0; count < WindowKernel<TLanes>.Vectors && vector + count < vectors; count++)
                {
                    (int i, int j) = Math.DivRem(vector + count, rowVectors);
                    if (count > 0 && j == 0 && window.TapRows(i) != (first, end))
                        break;
                    sources[count] = copy + (i * window.RowStep + window.RowOrigin) * rowPitch + j * TLanes.Count;
                }

                for (int absent = count; absent < WindowKernel<TLanes>.Vectors; absent++)
                    sources[absent] = sources[0];

                int skipped = first * taps;
                if (block == 0)
                    new Span<float>(tile, TileLength).Clear();
                WindowKernel<TLanes>.Sum(
                    outputs, (end - first) * taps, weights + (nint)skipped * WindowKernel<TLanes>.Rows, offsets + skipped, sources[0], sources[1], sources[2], tile);
                for (int k = 0; k < count && block == blocks - 1; k++)
                {
                    (int i, int j) = Math.DivRem(vector + k, rowVectors);
                    j *= TLanes.Count;
                    Place(i, firstJ + j, Math.Min(TLanes.Count, columns - j), firstOutput, outputs, tile + k * TLanes.Count, bias, target);
                }
            }
        }
    }

    private void Place(int i, int j, int columns, int firstOutput, int outputs, float* tile, float* bias, float* target)
    {
        int step = window.TargetColumnStep;
        float* to = target + ((nint)firstOutput * window.TargetRows + window.FirstRow + i * window.TargetRowStep) * window.TargetColumns
            + window.FirstColumn + j * step;
        for (int o = 0; o < outputs; o++, tile += WindowKernel<TLanes>.Columns, to += (nint)window.TargetRows * window.TargetColumns)
        {
            float added = bias is null ? 0 : bias[firstOutput + o];
            if (step == 1 && columns == TLanes.Count)
                (TLanes.Load(tile) + TLanes.All(added)).Store(to);
            else
                for (int lane = 0; lane < columns; lane++)
                    to[lane * step] = tile[lane] + added;
        }
    }

    // Groups of nearly equal size: a tile of two rows would take as long as one of four, waiting for its own sums.
    private int FirstOutput(int group) => (int)((long)window.Outputs * group / groups);
}
