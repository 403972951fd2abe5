using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary>Computes a <see cref="Window"/>'s sums at the speed of a matrix product, without writing a window matrix.</summary>
/// <remarks>
/// A task is a stripe of columns of one image. For each block of input channels it copies the stripe, with the zeros left and right of the plane and
/// with columns sorted by their residue modulo the stride, so that neighbouring outputs read neighbouring elements; then every tile of the
/// stripe runs over the block's taps. A block is so small that the weights of a group of output channels and the rows of the stripe that a tile
/// sees lie in the first-level cache together; the tiles' sums wait in the second-level cache for the next block.
/// Where <see cref="PairedColumns"/> fit, positions are pairs of columns: the copy holds the inputs of the four components, each has weights and sums of
/// its own, and the outputs are put together at the end.
/// </remarks>
internal sealed unsafe class WindowProduct<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    // 16 KiB of a group's weights.
    private static int MaxTaps => 4096 / WindowKernel<TLanes>.Rows;

    private const int StripeVectors = 2 * WindowKernel<TLanes>.Vectors;

    private readonly Window window;
    private readonly bool paired;
    private readonly int components, step, positions;
    private readonly int blockInputs, blocks, groups, stripes, stripe;
    private readonly int pitch, rowPitch, planePitch, componentPitch;

    public WindowProduct(in Window window)
    {
        this.window = window;
        paired = PairedColumns.Fits(window);
        components = paired ? PairedColumns.Components : 1;
        step = paired ? PairedColumns.Outputs * window.ColumnStep : window.ColumnStep;
        positions = Pieces(window.CountJ, paired ? PairedColumns.Outputs : 1);

        (blocks, blockInputs) = Blocks(window.Inputs, Math.Max(1, MaxTaps / Math.Max(1, window.Rows * TapColumns(components - 1))));
        groups = Pieces(window.Outputs, WindowKernel<TLanes>.Rows);
        int vectors = Pieces(positions, TLanes.Count);
        stripes = Pieces(vectors, paired ? StripeVectors / PairedColumns.Outputs : StripeVectors);
        stripe = Pieces(vectors, Math.Max(1, stripes)) * TLanes.Count;
        pitch = stripe + Pieces(window.Columns, step);
        rowPitch = checked(pitch * step);
        planePitch = checked(rowPitch * window.PlaneRows);
        componentPitch = checked(planePitch * blockInputs);
    }

    /// <summary>Fp32 elements of the packed weights, the offsets behind them included.</summary>
    public int WeightLength => Workspace.Round(blocks * groups * BlockWeights) + Workspace.Round(BlockTaps);

    /// <summary>Fp32 elements of a worker's memory: its copy of a stripe, and the sums of the stripe's tiles.</summary>
    public int StripeLength => CopyLength + Workspace.Round(checked(groups * components * ComponentSums));

    /// <summary>Independent pieces of packing the weights.</summary>
    public int PackTasks => blocks * groups;

    /// <summary>Independent pieces of one image.</summary>
    public int ImageTasks => window.CountI > 0 ? stripes : 0;

    private int CopyLength => Workspace.Round(Math.Max(0, checked(components * componentPitch)));

    private static int TileLength => WindowKernel<TLanes>.Rows * WindowKernel<TLanes>.Columns;

    // At worst each vector has a tile of its own.
    private int ComponentSums => checked(window.CountI * Pieces(stripe, TLanes.Count) * TileLength);

    private int BlockTaps
    {
        get
        {
            int taps = 0;
            for (int component = 0; component < components; component++)
                taps += ComponentTaps(component);
            return taps;
        }
    }

    private int BlockWeights => BlockTaps * WindowKernel<TLanes>.Rows;

    /// <summary>Packs the weights of one block and group: [component, r, c, s, output], so that the taps of some rows lie together.</summary>
    public void Pack(int task, float* weight, float* packed)
    {
        if (task == 0)
            FillOffsets((int*)(packed + Workspace.Round(blocks * groups * BlockWeights)));
        int block = task / groups, firstOutput = FirstOutput(task % groups), firstInput = block * blockInputs;
        int inputs = Math.Min(blockInputs, window.Inputs - firstInput), outputs = FirstOutput(task % groups + 1) - firstOutput;
        float* target = packed + (nint)task * BlockWeights;
        for (int component = 0; component < components; component++)
            for (int r = 0; r < window.Rows; r++)
                for (int c = 0; c < blockInputs; c++)
                {
                    float* source = weight + window.WeightOrigin + r * window.WeightRowStep
                        + (nint)firstOutput * window.WeightOutputStep + (nint)(firstInput + c) * window.WeightInputStep;
                    for (int s = 0; s < TapColumns(component); s++, target += WindowKernel<TLanes>.Rows)
                        if (c >= inputs)
                            new Span<float>(target, outputs).Clear();
                        else if (paired)
                            PackGroup(component, s, outputs, source, target);
                        else
                            for (int o = 0; o < outputs; o++)
                                target[o] = source[Tap(s) + (nint)o * window.WeightOutputStep];
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
        int first = task * stripe, rowVectors = Pieces(Math.Min(stripe, positions - first), TLanes.Count);
        int* offsets = (int*)(packed + Workspace.Round(blocks * groups * BlockWeights));
        for (int block = 0; block < blocks; block++)
        {
            int firstInput = block * blockInputs;
            Copy(source + (nint)firstInput * window.PlaneRows * window.PlaneColumns, Math.Min(blockInputs, window.Inputs - firstInput), first, copy);
            float* weights = packed + (nint)block * groups * BlockWeights, sums = copy + CopyLength;
            for (int group = 0; group < groups; group++, weights += BlockWeights, sums += (nint)components * ComponentSums)
            {
                Multiply(block == 0, group, rowVectors, weights, offsets, copy, sums);
                if (block == blocks - 1)
                    Place(group, first, rowVectors, sums, bias, target);
            }
        }
    }

    // Blocks of at most so many inputs; more of them than needed, where the last one would else be short of many.
    private static (int Blocks, int Inputs) Blocks(int inputs, int most)
    {
        int least = Math.Max(1, Pieces(inputs, most)), best = least;
        for (int blocks = least + 1; blocks < 2 * least; blocks++)
            if (Up(inputs, blocks) < Up(inputs, best))
                best = blocks;
        return (best, Math.Max(1, Pieces(inputs, best)));
    }

    // The columns of taps of a component; where columns are paired, groups of them.
    private int TapColumns(int component) => paired ? PairedColumns.Groups(window, component) : window.Columns;

    private int ComponentTaps(int component) => blockInputs * window.Rows * TapColumns(component);

    // Where in a row of weights the tap at a column of the plane is.
    private nint Tap(int column) => (nint)(window.Direction > 0 ? column : window.Columns - 1 - column) * window.WeightColumnStep;

    // A component's weights of a group of taps; an absent tap's are 0.
    private void PackGroup(int component, int s, int outputs, float* source, float* target)
    {
        (int residue, int group) = PairedColumns.Locate(window, component, s);
        int first = PairedColumns.Column(window, residue, group, 0), second = PairedColumns.Column(window, residue, group, 1);
        float* g0 = source + Tap(first), g1 = source + Tap(second), g2 = source + Tap(PairedColumns.Column(window, residue, group, 2));
        for (int o = 0; o < outputs; o++)
        {
            nint output = (nint)o * window.WeightOutputStep;
            target[o] = PairedColumns.Weight(component, first < 0 ? 0 : g0[output], second < 0 ? 0 : g1[output], g2[output]);
        }
    }

    // Where the copy has the column of a tap, or of the first of a group.
    private int ColumnOffset(int component, int s)
    {
        if (!paired)
            return s % step * pitch + s / step;
        (int residue, int group) = PairedColumns.Locate(window, component, s);
        (int pair, int odd) = Math.DivRem(group * PairedColumns.GroupTaps, PairedColumns.Outputs);
        return (residue * PairedColumns.Outputs + odd) * pitch + pair;
    }

    private void FillOffsets(int* offsets)
    {
        for (int component = 0; component < components; component++)
            for (int r = 0; r < window.Rows; r++)
                for (int c = 0; c < blockInputs; c++)
                    for (int s = 0; s < TapColumns(component); s++)
                        *offsets++ = component * componentPitch + c * planePitch + window.Direction * r * rowPitch + ColumnOffset(component, s);
    }

    // [component, input, row, residue of the column, column / step], zero outside the plane; pairs that begin at odd columns of a residue after those at even ones.
    private void Copy(float* source, int inputs, int firstPosition, float* copy)
    {
        int first = firstPosition * step + window.ColumnOrigin, lines = inputs * window.PlaneRows;
        int pairedLength = PairedColumns.Outputs * (pitch + 2);
        float* row = stackalloc float[paired ? pairedLength : 0];
        for (int line = 0; line < lines; line++, source += window.PlaneColumns)
        {
            float* to = copy + line * rowPitch;
            if (!paired)
            {
                for (int residue = 0; residue < window.ColumnStep; residue++, to += pitch)
                    PlaneRow.Copy(source, window.PlaneColumns, first + residue, window.ColumnStep, pitch, to);
                continue;
            }

            for (int residue = 0; residue < window.ColumnStep; residue++, to += PairedColumns.Outputs * pitch)
            {
                int column = first + residue - PairedColumns.Absent(window, residue) * window.ColumnStep;
                PlaneRow.Copy(source, window.PlaneColumns, column, window.ColumnStep, pairedLength, row);
                Elementwise.Run(new PairedInputs(row, to, pitch, componentPitch), pitch);
            }
        }

        // The last block may be short of channels: its weights are zero, and zero times whatever lay here before might be NaN.
        for (int component = 0; component < components; component++)
            new Span<float>(copy + component * componentPitch + lines * rowPitch, componentPitch - lines * rowPitch).Clear();
    }

    // Every tile of the stripe over the taps of one block and group, whose weights stay in the first-level cache meanwhile.
    private void Multiply(bool isFirst, int group, int rowVectors, float* weights, int* offsets, float* copy, float* sums)
    {
        int vectors = window.CountI * rowVectors, outputs = FirstOutput(group + 1) - FirstOutput(group);
        float** sources = stackalloc float*[WindowKernel<TLanes>.Vectors];
        for (int component = 0; component < components; component++, sums += ComponentSums)
        {
            int rowTaps = blockInputs * TapColumns(component);
            float* tile = sums;
            for (int vector = 0, count; vector < vectors; vector += count, tile += TileLength)
            {
                count = TileVectors(vector, rowVectors);
                (int i, int j) = Math.DivRem(vector, rowVectors);
                (int first, int end) = window.TapRows(i);
                for (int k = 0; k < WindowKernel<TLanes>.Vectors; k++)
                {
                    // For absent vectors the first again.
                    sources[k] = k < count ? copy + (i * window.RowStep + window.RowOrigin) * rowPitch + j * TLanes.Count : sources[0];
                    if (++j == rowVectors)
                        (i, j) = (i + 1, 0);
                }

                int skipped = first * rowTaps;
                if (isFirst)
                    new Span<float>(tile, TileLength).Clear();
                WindowKernel<TLanes>.Sum(
                    outputs, (end - first) * rowTaps, weights + (nint)skipped * WindowKernel<TLanes>.Rows, offsets + skipped,
                    sources[0], sources[1], sources[2], tile);
            }

            weights += (nint)ComponentTaps(component) * WindowKernel<TLanes>.Rows;
            offsets += ComponentTaps(component);
        }
    }

    // A tile has up to three vectors, of a row and the next, where the same taps apply there.
    private int TileVectors(int vector, int rowVectors)
    {
        int most = Math.Min(WindowKernel<TLanes>.Vectors, window.CountI * rowVectors - vector), i = vector / rowVectors, nextRow = (i + 1) * rowVectors;
        int count = Math.Min(most, nextRow - vector);
        for (; count < most && window.TapRows(i + 1) == window.TapRows(i); nextRow += rowVectors, i++)
            count = Math.Min(most, nextRow + rowVectors - vector);
        return count;
    }

    // A group's outputs from its tiles.
    private void Place(int group, int firstPosition, int rowVectors, float* tile, float* bias, float* target)
    {
        for (int vector = 0, count; vector < window.CountI * rowVectors; vector += count, tile += TileLength)
        {
            count = TileVectors(vector, rowVectors);
            for (int k = 0; k < count; k++)
            {
                (int i, int j) = Math.DivRem(vector + k, rowVectors);
                Place(i, firstPosition + j * TLanes.Count, FirstOutput(group), FirstOutput(group + 1), tile + k * TLanes.Count, bias, target);
            }
        }
    }

    // One vector of some output channels.
    private void Place(int i, int position, int firstOutput, int endOutput, float* tile, float* bias, float* target)
    {
        int j = position * (paired ? PairedColumns.Outputs : 1), columns = window.CountJ - j, columnStep = window.TargetColumnStep;
        float* to = target + ((nint)firstOutput * window.TargetRows + window.FirstRow + i * window.TargetRowStep) * window.TargetColumns
            + window.FirstColumn + j * columnStep;
        float* pairs = stackalloc float[PairedColumns.Outputs * TLanes.Count];
        for (int o = firstOutput; o < endOutput; o++, tile += WindowKernel<TLanes>.Columns, to += (nint)window.TargetRows * window.TargetColumns)
        {
            float added = bias is null ? 0 : bias[o];
            if (paired)
            {
                bool isWhole = columns >= PairedColumns.Outputs * TLanes.Count;
                PairedColumns.Combine<TLanes>(tile, ComponentSums, added, isWhole ? to : pairs);
                if (!isWhole)
                    new Span<float>(pairs, columns).CopyTo(new Span<float>(to, columns));
            }
            else if (columnStep == 1 && columns >= TLanes.Count)
            {
                (TLanes.Load(tile) + TLanes.All(added)).Store(to);
            }
            else
            {
                for (int lane = 0; lane < Math.Min(TLanes.Count, columns); lane++)
                    to[lane * columnStep] = tile[lane] + added;
            }
        }
    }

    // Groups of nearly equal size: a tile of two rows would take as long as one of four, waiting for its own sums.
    private int FirstOutput(int group) => (int)((long)window.Outputs * group / groups);
}
