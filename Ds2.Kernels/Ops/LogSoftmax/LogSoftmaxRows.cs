using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary>Rows of <see cref="LogSoftmax"/>, each at least a register long.</summary>
/// <remarks>
/// A row's end is a register of its own that reaches back over elements which whole registers hold too: sums leave its first lanes out, and writing them twice
/// writes the same numbers. It is loaded before the row is written, as that may be in place.
/// </remarks>
internal static unsafe class LogSoftmaxRows<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    // Rows whose logarithms are taken together.
    private const int Block = 16;

    private static ReadOnlySpan<float> LaneNumbers => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>y = x - log sum exp x for each row.</summary>
    /// <param name="x">[rows, classes].</param>
    /// <param name="rows">The rows.</param>
    /// <param name="classes">The elements of a row, at least TLanes.Count.</param>
    /// <param name="y">[rows, classes]; overwritten, may be x.</param>
    public static void Forward(float* x, int rows, int classes, float* y)
    {
        TLanes numbers = Numbers();
        float* largest = stackalloc float[Block], logSums = stackalloc float[Block];
        new Span<float>(logSums, Block).Fill(1); // absent rows'
        for (int start = 0; start < rows; start += Block)
        {
            int some = Math.Min(Block, rows - start);
            float* from = x + (nint)start * classes, to = y + (nint)start * classes;
            for (int row = 0; row < some; row++)
                logSums[row] = SumExp(from + row * classes, classes, numbers, out largest[row]);
            for (int row = 0; row < Block; row += TLanes.Count)
                VectorMath.Log(TLanes.Load(logSums + row)).Store(logSums + row);
            for (int row = 0; row < some; row++)
                Shift(from + row * classes, classes, TLanes.All(largest[row]), TLanes.All(logSums[row]), to + row * classes);
        }
    }

    /// <summary>dX = dY - exp(y) sum dY for each row.</summary>
    /// <param name="y">[rows, classes].</param>
    /// <param name="dY">[rows, classes].</param>
    /// <param name="rows">The rows.</param>
    /// <param name="classes">The elements of a row, at least TLanes.Count.</param>
    /// <param name="dX">[rows, classes]; overwritten, may be dY.</param>
    public static void Backward(float* y, float* dY, int rows, int classes, float* dX)
    {
        TLanes numbers = Numbers();
        int whole = classes / TLanes.Count * TLanes.Count, last = classes - TLanes.Count;
        for (; rows > 0; rows--, y += classes, dY += classes, dX += classes)
        {
            TLanes end = TLanes.Load(dY + last), sums = WithoutOverlap(end, numbers, classes);
            for (int c = 0; c < whole; c += TLanes.Count)
                sums += TLanes.Load(dY + c);
            TLanes factor = TLanes.All(-sums.Sum());
            for (int c = 0; c < whole; c += TLanes.Count)
                TLanes.MultiplyAdd(VectorMath.Exp(TLanes.Load(y + c)), factor, TLanes.Load(dY + c)).Store(dX + c);
            TLanes.MultiplyAdd(VectorMath.Exp(TLanes.Load(y + last)), factor, end).Store(dX + last);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumExp(float* x, int classes, TLanes numbers, out float max)
    {
        int whole = classes / TLanes.Count * TLanes.Count;
        TLanes end = TLanes.Load(x + classes - TLanes.Count);

        // NaN is greater than nothing, so it does not become the maximum; it reaches the row through the sum.
        TLanes largest = TLanes.Max(end, TLanes.All(float.NegativeInfinity));
        for (int c = 0; c < whole; c += TLanes.Count)
            largest = TLanes.Max(TLanes.Load(x + c), largest);
        max = largest.Max();

        TLanes shift = TLanes.All(max), sums = WithoutOverlap(VectorMath.Exp(end - shift), numbers, classes);
        for (int c = 0; c < whole; c += TLanes.Count)
            sums += VectorMath.Exp(TLanes.Load(x + c) - shift);
        return sums.Sum();
    }

    // x - max first: it is small where it matters, and then the subtraction of the logarithm rounds little.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Shift(float* x, int classes, TLanes max, TLanes logSum, float* y)
    {
        int whole = classes / TLanes.Count * TLanes.Count, last = classes - TLanes.Count;
        TLanes end = TLanes.Load(x + last) - max - logSum;
        for (int c = 0; c < whole; c += TLanes.Count)
            (TLanes.Load(x + c) - max - logSum).Store(y + c);
        end.Store(y + last);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes WithoutOverlap(TLanes end, TLanes numbers, int classes) =>
        TLanes.WhereLess(numbers, TLanes.All(TLanes.Count - classes % TLanes.Count), TLanes.All(0f), end);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Numbers()
    {
        fixed (float* numbers = LaneNumbers)
            return TLanes.Load(numbers);
    }
}
