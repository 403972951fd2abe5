using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>The clipped linear unit: y = min(max(x, low), high).</summary>
/// <remarks>NaN stays NaN. The derivative is 0 at the bounds and beyond, 1 between them and at NaN, as PyTorch's hardtanh_backward has it. DeepSpeech2 clips
/// to 0..20 (Amodei et al., arXiv:1512.02595, section 3).</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Hardtanh(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static Hardtanh On(IEngine engine) => engine.Implement<Hardtanh>(host => new HostHardtanh(host), ilgpu => new IlgpuHardtanh(ilgpu));

    /// <summary>y = min(max(x, low), high).</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="low">The lower bound.</param>
    /// <param name="high">The upper bound, not below the lower.</param>
    /// <param name="y">As x; overwritten. May be x itself.</param>
    /// <exception cref="ArgumentException">The shapes or engines differ, y overlaps x in part, or the bounds are crossed.</exception>
    public void Forward(Tensor x, float low, float high, Tensor y)
    {
        using ProfilerRange range = Range();
        Check.That(low <= high, "the bounds are ordered");
        Check.Is(x, Engine, x.Shape);
        Check.Is(y, Engine, x.Shape);
        Check.SameOrDisjoint(y, x);
        if (x.Length > 0)
            ForwardCore(x, low, high, y);
    }

    /// <summary>dX = 0 where y &lt;= low or y >= high, else dY.</summary>
    /// <param name="y">The output of <see cref="Forward"/> (its input serves as well: both lie between the bounds at the same elements).</param>
    /// <param name="low">The lower bound.</param>
    /// <param name="high">The upper bound.</param>
    /// <param name="dY">As y.</param>
    /// <param name="dX">As y; overwritten. May be dY itself.</param>
    /// <exception cref="ArgumentException">The shapes or engines differ, or dX overlaps another tensor in part.</exception>
    public void Backward(Tensor y, float low, float high, Tensor dY, Tensor dX)
    {
        using ProfilerRange range = Range();
        Check.That(low <= high, "the bounds are ordered");
        Check.Is(y, Engine, y.Shape);
        Check.Is(dY, Engine, y.Shape);
        Check.Is(dX, Engine, y.Shape);
        Check.SameOrDisjoint(dX, dY);
        Check.Disjoint(dX, y);
        if (y.Length > 0)
            BackwardCore(y, low, high, dY, dX);
    }

    /// <summary><see cref="Forward"/> on validated arguments, not empty.</summary>
    protected abstract void ForwardCore(Tensor x, float low, float high, Tensor y);

    /// <summary><see cref="Backward"/> on validated arguments, not empty.</summary>
    protected abstract void BackwardCore(Tensor y, float low, float high, Tensor dY, Tensor dX);
}
