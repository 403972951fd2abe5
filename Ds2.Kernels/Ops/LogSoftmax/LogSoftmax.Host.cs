using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="LogSoftmax"/> on the CPU.</summary>
internal sealed unsafe class HostLogSoftmax(HostEngine engine) : LogSoftmax(engine)
{
    private const int ElementsPerPart = 4096;

    private readonly WorkerPool workers = engine.Workers;

    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y)
    {
        int classes = x.Shape[2];
        float* from = x.Pointer(), to = y.Pointer();
        ForRows(x.Length / classes, classes, row => Normalise(from + (nint)row * classes, to + (nint)row * classes, classes));
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

    private static void Normalise(float* x, float* y, int classes)
    {
        // NaN is greater than nothing, so it does not become the maximum; it reaches the row through the sum.
        float max = float.NegativeInfinity;
        for (int c = 0; c < classes; c++)
            max = x[c] > max ? x[c] : max;

        // Parts of a row at a time: y may be x, whose values are still needed after the sum.
        const int Part = 128;
        float* terms = stackalloc float[Part];
        double sum = 0;
        for (int start = 0; start < classes; start += Part)
        {
            int length = Math.Min(Part, classes - start);
            Elementwise.Run(new ShiftedExp(x + start, max, terms), length);
            for (int c = 0; c < length; c++)
                sum += terms[c];
        }

        Elementwise.Run(new Shift(x, max, (float)Math.Log(sum), y), classes);
    }

    private void ForRows(int rows, int classes, Action<int> work)
    {
        int rowsPerPart = Math.Max(1, ElementsPerPart / classes);
        workers.For((rows + rowsPerPart - 1) / rowsPerPart, part =>
        {
            int end = Math.Min(rows, (part + 1) * rowsPerPart);
            for (int row = part * rowsPerPart; row < end; row++)
                work(row);
        });
    }

    private readonly struct ShiftedExp(float* x, float max, float* terms) : IElementwise
    {
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            VectorMath.Exp(TLanes.Load(x + index) - TLanes.All(max)).Store(terms + index);
    }

    // x - max first: it is small where it matters, and then the subtraction of the logarithm rounds little.
    private readonly struct Shift(float* x, float max, float logSum, float* y) : IElementwise
    {
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            (TLanes.Load(x + index) - TLanes.All(max) - TLanes.All(logSum)).Store(y + index);
    }

    private readonly struct Gradient(float* y, float* dY, float sum, float* dX) : IElementwise
    {
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            TLanes.MultiplyAdd(VectorMath.Exp(TLanes.Load(y + index)), TLanes.All(-sum), TLanes.Load(dY + index)).Store(dX + index);
    }
}
