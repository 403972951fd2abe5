using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="LogSoftmax"/> on the CPU.</summary>
internal sealed unsafe class HostLogSoftmax(HostEngine engine) : LogSoftmax(engine)
{
    private const int ElementsPerPart = 2048;

    private readonly WorkerPool workers = engine.Workers;

    private static ReadOnlySpan<float> LaneNumbers => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y)
    {
        int classes = x.Shape[2];
        float* from = x.Pointer(), to = y.Pointer();
        ForRows(x.Length / classes, classes, row =>
        {
            float* source = from + (nint)row * classes, target = to + (nint)row * classes;
            if (engine.Lanes == Lanes512.Count)
                Normalise<Lanes512>(source, target, classes);
            else if (engine.Lanes == Lanes256.Count)
                Normalise<Lanes256>(source, target, classes);
            else if (engine.Lanes == Lanes128.Count)
                Normalise<Lanes128>(source, target, classes);
            else
                Normalise<Lanes1>(source, target, classes);
        });
    }

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor y, Tensor dY, Tensor dX)
    {
        int classes = y.Shape[2];
        float* probabilities = y.Pointer(), from = dY.Pointer(), to = dX.Pointer();
        ForRows(y.Length / classes, classes, row =>
        {
            nint start = (nint)row * classes;
            double sum = 0;
            for (int c = 0; c < classes; c++)
                sum += from[start + c];
            Elementwise.Run(new Gradient(probabilities + start, from + start, (float)sum, to + start), classes);
        });
    }

    private static void Normalise<TLanes>(float* x, float* y, int classes)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        int whole = classes / TLanes.Count * TLanes.Count;
        TLanes end = End<TLanes>(x, classes, whole);

        // NaN is greater than nothing, so it does not become the maximum; it reaches the row through the sum.
        TLanes largest = TLanes.Max(end, TLanes.All(float.NegativeInfinity));
        for (int c = 0; c < whole; c += TLanes.Count)
            largest = TLanes.Max(TLanes.Load(x + c), largest);
        float max = largest.Max();

        TLanes sums = VectorMath.Exp(end - TLanes.All(max));
        for (int c = 0; c < whole; c += TLanes.Count)
            sums += VectorMath.Exp(TLanes.Load(x + c) - TLanes.All(max));
        Elementwise.Run(new Shift(x, max, MathF.Log(sums.Sum()), y), classes);
    }

    // The row's end in a register of its own, filled up with what neither a maximum nor a sum of exponentials sees.
    private static TLanes End<TLanes>(float* x, int classes, int whole)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        if (whole > 0)
        {
            // Loaded in one piece, back from the end; the lanes that other registers hold are taken out.
            fixed (float* numbers = LaneNumbers)
                return TLanes.WhereLess(
                    TLanes.Load(numbers), TLanes.All(TLanes.Count - (classes - whole)), TLanes.All(float.NegativeInfinity), TLanes.Load(x + classes - TLanes.Count));
        }

        float* lanes = stackalloc float[TLanes.Count];
        new Span<float>(lanes, TLanes.Count).Fill(float.NegativeInfinity);
        new Span<float>(x, classes).CopyTo(new Span<float>(lanes, TLanes.Count));
        return TLanes.Load(lanes);
    }

    private void ForRows(int rows, int classes, Action<int> work)
    {
        int rowsPerPart = Math.Max(1, ElementsPerPart / classes);
        workers.For(Pieces(rows, rowsPerPart), part =>
        {
            int end = Math.Min(rows, (part + 1) * rowsPerPart);
            for (int row = part * rowsPerPart; row < end; row++)
                work(row);
        });
    }

    // x - max first: it is small where it matters, and then the subtraction of the logarithm rounds little.
    private readonly struct Shift(float* x, float max, float logSum, float* y) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            (TLanes.Load(x + index) - TLanes.All(max) - TLanes.All(logSum)).Store(y + index);
    }

    private readonly struct Gradient(float* y, float* dY, float sum, float* dX) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            TLanes.MultiplyAdd(VectorMath.Exp(TLanes.Load(y + index)), TLanes.All(-sum), TLanes.Load(dY + index)).Store(dX + index);
    }
}
