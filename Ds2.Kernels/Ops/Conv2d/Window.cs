namespace Ds2.Kernels.Ops;

/// <summary>A convolution, or a part of one, as sums over the taps of a window that slides over planes.</summary>
/// <remarks>
/// out[o, i, j] = sum over taps (r, c, s) of weight(o, c, r, s) plane[c, i RowStep + RowOrigin + r Direction, j ColumnStep + ColumnOrigin + column(s)],
/// planes zero outside, where column(s) is s or, for Direction -1, Columns - 1 - s. The forward pass is one of these over the input. With strides, each
/// residue of an input coordinate modulo the stride sees only the taps of that residue: the data gradient is StrideH StrideW of these over dY,
/// each with stride 1 and no tap that would meet a zero between two strides.
/// </remarks>
internal struct Window
{
    /// <summary>Output channels, and channels that are summed.</summary>
    public int Outputs, Inputs;

    /// <summary>Rows and columns of a source plane.</summary>
    public int PlaneRows, PlaneColumns;

    /// <summary>Taps along each axis.</summary>
    public int Rows, Columns;

    /// <summary>Where the window lies; see above.</summary>
    public int RowStep, RowOrigin, ColumnStep, ColumnOrigin, Direction;

    /// <summary>Positions along each axis, and where they lie in a target plane: first + step * index.</summary>
    public int CountI, CountJ, FirstRow, TargetRowStep, FirstColumn, TargetColumnStep;

    /// <summary>Rows and columns of a target plane.</summary>
    public int TargetRows, TargetColumns;

    /// <summary>Where tap (0, 0) is in the weight's [R, S], the step to the next row and column, and to the next channels.</summary>
    public int WeightOrigin, WeightRowStep, WeightColumnStep, WeightOutputStep, WeightInputStep;

    /// <summary>The forward pass.</summary>
    public static Window Forward(Conv2dShape shape) => new()
    {
        Outputs = shape.K,
        Inputs = shape.C,
        PlaneRows = shape.H,
        PlaneColumns = shape.W,
        Rows = shape.R,
        Columns = shape.S,
        RowStep = shape.StrideH,
        RowOrigin = -shape.PadH,
        ColumnStep = shape.StrideW,
        ColumnOrigin = -shape.PadW,
        Direction = 1,
        CountI = shape.OutH,
        CountJ = shape.OutW,
        TargetRowStep = 1,
        TargetColumnStep = 1,
        TargetRows = shape.OutH,
        TargetColumns = shape.OutW,
        WeightRowStep = shape.S,
        WeightColumnStep = 1,
        WeightOutputStep = shape.Window,
        WeightInputStep = shape.R * shape.S,
    };

    /// <summary>The data gradient of the input rows and columns with one residue (of row + PadH, column + PadW) modulo the strides.</summary>
    public static Window DataGradient(Conv2dShape shape, int rowResidue, int columnResidue)
    {
        // Row h + PadH = StrideH i + residue meets kernel row r = StrideH r' + residue at output row i - r'.
        int firstI = Math.Max(0, Up(shape.PadH - rowResidue, shape.StrideH)), firstJ = Math.Max(0, Up(shape.PadW - columnResidue, shape.StrideW));
        int firstRow = firstI * shape.StrideH + rowResidue - shape.PadH, firstColumn = firstJ * shape.StrideW + columnResidue - shape.PadW;
        int columns = Math.Max(0, Up(shape.S - columnResidue, shape.StrideW));
        return new Window
        {
            Outputs = shape.C,
            Inputs = shape.K,
            PlaneRows = shape.OutH,
            PlaneColumns = shape.OutW,
            Rows = Math.Max(0, Up(shape.R - rowResidue, shape.StrideH)),
            Columns = columns,
            RowStep = 1,
            RowOrigin = firstI,
            ColumnStep = 1,
            ColumnOrigin = firstJ - (columns - 1),
            Direction = -1,
            CountI = Math.Max(0, Up(shape.H - firstRow, shape.StrideH)),
            CountJ = Math.Max(0, Up(shape.W - firstColumn, shape.StrideW)),
            FirstRow = firstRow,
            TargetRowStep = shape.StrideH,
            FirstColumn = firstColumn,
            TargetColumnStep = shape.StrideW,
            TargetRows = shape.H,
            TargetColumns = shape.W,
            WeightOrigin = rowResidue * shape.S + columnResidue,
            WeightRowStep = shape.StrideH * shape.S,
            WeightColumnStep = shape.StrideW,
            WeightOutputStep = shape.R * shape.S,
            WeightInputStep = shape.Window,
        };
    }

    /// <summary>The tap rows [first, end) that meet the plane from output row i; the others would add zeros.</summary>
    public readonly (int First, int End) TapRows(int i)
    {
        int row = i * RowStep + RowOrigin;
        int first = Direction > 0 ? -row : row - PlaneRows + 1, end = Direction > 0 ? PlaneRows - row : row + 1;
        first = Math.Clamp(first, 0, Rows);
        return (first, Math.Clamp(end, first, Rows));
    }

    private static int Up(int length, int step) => (int)Math.Ceiling((double)length / step);
}
