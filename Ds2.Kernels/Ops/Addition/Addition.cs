using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary>Adds tensors: the gradients of a step's micro-batches.</summary>
/// <remarks>One rounding an element and no order within a call: what a sum of several tensors comes to, bit for bit, is its caller's choice of pairs. Addition commutes, so a and b may change places.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Addition(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static Addition On(IEngine engine) => engine.Implement<Addition>(host => new HostAddition(host), ilgpu => new IlgpuAddition(ilgpu));

    /// <summary>A GPU's memory as MPI can be handed it, with additions on a stream of their own; null for an engine without device pointers. The caller disposes it, before the engine.</summary>
    public static IExchangeMemory? NewExchangeMemory(IEngine engine) => engine is IlgpuEngine { HasDevicePointers: true } gpu ? new IlgpuExchangeMemory(gpu) : null;

    /// <summary>sum[i] = a[i] + b[i].</summary>
    /// <param name="a">Any shape.</param>
    /// <param name="b">As a.</param>
    /// <param name="sum">As a; overwritten. May be a or b itself.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or the sum overlaps a or b in part.</exception>
    public void Add(Tensor a, Tensor b, Tensor sum)
    {
        using ProfilerRange range = Range();
        Check.Is(a, Engine, a.Shape);
        Check.Is(b, Engine, a.Shape);
        Check.Is(sum, Engine, a.Shape);
        Check.SameOrDisjoint(sum, a);
        Check.SameOrDisjoint(sum, b);
        if (a.Length > 0)
            AddCore(a, b, sum);
    }

    /// <summary>A sum of one: copy[i] = x[i].</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="copy">As x; overwritten.</param>
    /// <exception cref="ArgumentException">The shapes or engines differ, or the tensors overlap.</exception>
    public void Copy(Tensor x, Tensor copy)
    {
        using ProfilerRange range = Range();
        Check.Is(x, Engine, x.Shape);
        Check.Is(copy, Engine, x.Shape);
        Check.Disjoint(copy, x);
        if (x.Length > 0)
            CopyCore(x, copy);
    }

    /// <summary><see cref="Add"/> on validated arguments, not empty.</summary>
    protected abstract void AddCore(Tensor a, Tensor b, Tensor sum);

    /// <summary><see cref="Copy"/> on validated arguments, not empty.</summary>
    protected abstract void CopyCore(Tensor x, Tensor copy);
}
