using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>Logarithm of the softmax over the last axis: y = x - log sum exp x.</summary>
/// <remarks>The maximum is subtracted before exp, so that any finite input gives a finite output. A row with NaN or +inf is NaN; -inf gives -inf.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class LogSoftmax(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static LogSoftmax On(IEngine engine) =>
        engine.Implement<LogSoftmax>(host => new HostLogSoftmax(host), ilgpu => new IlgpuLogSoftmax(ilgpu));

    /// <summary>y = log softmax(x), row by row.</summary>
    /// <param name="x">[T, N, C], unnormalised.</param>
    /// <param name="y">[T, N, C], natural logarithms of probabilities; overwritten. May be x itself.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or y overlaps x in part.</exception>
    public void Forward(Tensor x, Tensor y)
    {
        using ProfilerRange range = Range();
        CheckRank(x);
        Check.Is(x, Engine, x.Shape);
        Check.Is(y, Engine, x.Shape);
        Check.SameOrDisjoint(y, x);
        if (x.Length > 0)
            ForwardCore(x, y);
    }

    /// <summary>dX = dY - softmax(x) sum dY, row by row.</summary>
    /// <param name="y">[T, N, C], from <see cref="Forward"/>.</param>
    /// <param name="dY">[T, N, C].</param>
    /// <param name="dX">[T, N, C]; overwritten. May be dY itself.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or dX overlaps another tensor in part.</exception>
    public void Backward(Tensor y, Tensor dY, Tensor dX)
    {
        using ProfilerRange range = Range();
        CheckRank(y);
        Check.Is(y, Engine, y.Shape);
        Check.Is(dY, Engine, y.Shape);
        Check.Is(dX, Engine, y.Shape);
        Check.SameOrDisjoint(dX, dY);
        Check.Disjoint(dX, y);
        if (y.Length > 0)
            BackwardCore(y, dY, dX);
    }

    /// <summary><see cref="Forward"/> on validated arguments, not empty.</summary>
    protected abstract void ForwardCore(Tensor x, Tensor y);

    /// <summary><see cref="Backward"/> on validated arguments, not empty.</summary>
    protected abstract void BackwardCore(Tensor y, Tensor dY, Tensor dX);

    private static void CheckRank(Tensor x) => Check.That(x.Shape.Rank == 3, $"log-probabilities are [T, N, C], not {x.Shape}");
}
