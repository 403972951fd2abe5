using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>Turns the convolutions' images into the recurrent layers' sequences and back.</summary>
/// <remarks>y[t, n, c F + f] = x[n, c, f, t]: channel-major features, as a PyTorch view of [N, C F, T] and a transposition give them.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class TimeMajor(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static TimeMajor On(IEngine engine) => engine.Implement<TimeMajor>(host => new HostTimeMajor(host), ilgpu => new IlgpuTimeMajor(ilgpu));

    /// <summary>[N, C, F, T] to [T, N, C F].</summary>
    /// <param name="x">[N, C, F, T].</param>
    /// <param name="y">[T, N, C F]; overwritten.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or the tensors overlap.</exception>
    public void Forward(Tensor x, Tensor y)
    {
        using ProfilerRange range = Range();
        CheckShapes(x, y);
        Check.Disjoint(y, x);
        if (x.Length > 0)
            ForwardCore(x, y);
    }

    /// <summary>[T, N, C F] to [N, C, F, T].</summary>
    /// <param name="dY">[T, N, C F].</param>
    /// <param name="dX">[N, C, F, T]; overwritten.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or the tensors overlap.</exception>
    public void Backward(Tensor dY, Tensor dX)
    {
        using ProfilerRange range = Range();
        CheckShapes(dX, dY);
        Check.Disjoint(dX, dY);
        if (dX.Length > 0)
            BackwardCore(dY, dX);
    }

    /// <summary><see cref="Forward"/> on validated arguments, not empty.</summary>
    protected abstract void ForwardCore(Tensor x, Tensor y);

    /// <summary><see cref="Backward"/> on validated arguments, not empty.</summary>
    protected abstract void BackwardCore(Tensor dY, Tensor dX);

    private void CheckShapes(Tensor image, Tensor sequence)
    {
        Shape s = image.Shape;
        Check.That(s.Rank == 4, $"the image is [N, C, F, T], not {s}");
        Check.Is(image, Engine, s);
        Check.Is(sequence, Engine, new Shape(s[3], s[0], s[1] * s[2]));
    }
}
