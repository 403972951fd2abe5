using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="LogSoftmax"/> on the CPU.</summary>
internal sealed unsafe class HostLogSoftmax(HostEngine engine) : LogSoftmax(engine)
{
    private const int ElementsPerPart = 4096;

    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y)
    {
        int classes = x.Shape[2], lanes = Lanes(classes);
        float* from = x.Pointer(), to = y.Pointer();
        ForRows(x.Length / classes, classes, (start, rows) =>
        {
            float* source = from + (nint)start * classes, target = to + (nint)start * classes;
            if (lanes == Lanes512.Count)
                LogSoftmaxRows<Lanes512>.Forward(source, rows, classes, target);
            else if (lanes == Lanes256.Count)
                LogSoftmaxRows<Lanes256>.Forward(source, rows, classes, target);
            else if (lanes == Lanes128.Count)
                LogSoftmaxRows<Lanes128>.Forward(source, rows, classes, target);
            else
                LogSoftmaxRows<Lanes1>.Forward(source, rows, classes, target);
        });
    }

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor y, Tensor dY, Tensor dX)
    {
        int classes = y.Shape[2], lanes = Lanes(classes);
        float* logarithms = y.Pointer(), from = dY.Pointer(), to = dX.Pointer();
        ForRows(y.Length / classes, classes, (start, rows) =>
        {
            nint first = (nint)start * classes;
            if (lanes == Lanes512.Count)
                LogSoftmaxRows<Lanes512>.Backward(logarithms + first, from + first, rows, classes, to + first);
            else if (lanes == Lanes256.Count)
                LogSoftmaxRows<Lanes256>.Backward(logarithms + first, from + first, rows, classes, to + first);
            else if (lanes == Lanes128.Count)
                LogSoftmaxRows<Lanes128>.Backward(logarithms + first, from + first, rows, classes, to + first);
            else
                LogSoftmaxRows<Lanes1>.Backward(logarithms + first, from + first, rows, classes, to + first);
        });
    }

    // The widest registers that a row fills.
    private int Lanes(int classes)
    {
        int lanes = Host.Lanes;
        while (lanes > classes)
            lanes = lanes == Lanes128.Count ? Lanes1.Count : lanes / 2;
        return lanes;
    }

    private void ForRows(int rows, int classes, Action<int, int> work)
    {
        int rowsPerPart = Math.Max(1, ElementsPerPart / classes);
        Host.Workers.For(Pieces(rows, rowsPerPart), part =>
        {
            int start = part * rowsPerPart;
            work(start, Math.Min(rowsPerPart, rows - start));
        });
    }
}
