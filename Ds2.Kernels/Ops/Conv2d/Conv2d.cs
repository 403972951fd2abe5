using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>2-D convolution with bias, as PyTorch's Conv2d: y = x * weight + bias (cross-correlation, no dilation, no groups).</summary>
/// <remarks>
/// y[n,k,p,q] = bias[k] + sum_{c,r,s} x[n, c, p StrideH + r - PadH, q StrideW + s - PadW] weight[k,c,r,s], x zero outside its bounds.
/// Computed as an implicit matrix product: the window matrix is never stored whole.
/// Source: Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", arXiv:1410.0759, section 3.
/// </remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Conv2d(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static Conv2d On(IEngine engine) => engine.Implement<Conv2d>(HostConv2d.Create, ilgpu => new IlgpuConv2d(ilgpu));

    /// <summary>Scratch that <see cref="Forward"/> needs, in fp32 elements.</summary>
    public abstract int ForwardWorkspace(Conv2dShape shape);

    /// <summary>Scratch that <see cref="Backward"/> needs, in fp32 elements.</summary>
    public abstract int BackwardWorkspace(Conv2dShape shape);

    /// <summary>y = x * weight + bias.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="weight">[K, C, R, S].</param>
    /// <param name="bias">[K].</param>
    /// <param name="y">[N, K, OutH, OutW]; overwritten.</param>
    /// <param name="workspace">At least <see cref="ForwardWorkspace"/> elements.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, y overlaps an input, or the workspace is short.</exception>
    public void Forward(Conv2dShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Workspace workspace)
    {
        using ProfilerRange range = Range();
        CheckShape(shape);
        Check.Is(x, Engine, shape.X);
        Check.Is(weight, Engine, shape.Weight);
        Check.Is(bias, Engine, new Shape(shape.K));
        Check.Is(y, Engine, shape.Y);
        Check.Disjoint(y, x);
        Check.Disjoint(y, weight);
        Check.Disjoint(y, bias);
        Check.Is(workspace, Engine);
        if (shape.Y.Length == 0)
            return;
        workspace.Begin(ForwardWorkspace(shape));
        ForwardCore(shape, x, weight, bias, y, workspace);
    }

    /// <summary>The gradients of a loss, given dY, with respect to the input, the weight and the bias.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="x">[N, C, H, W], as given to <see cref="Forward"/>.</param>
    /// <param name="weight">[K, C, R, S], as given to <see cref="Forward"/>.</param>
    /// <param name="dY">[N, K, OutH, OutW].</param>
    /// <param name="dX">[N, C, H, W]; overwritten. Null where nobody needs it (the model's first layer).</param>
    /// <param name="dWeight">[K, C, R, S]; accumulated.</param>
    /// <param name="dBias">[K]; accumulated.</param>
    /// <param name="workspace">At least <see cref="BackwardWorkspace"/> elements.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, an output overlaps an input, or the workspace is short.</exception>
    public void Backward(
        Conv2dShape shape, Tensor x, Tensor weight, Tensor dY, Tensor? dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        using ProfilerRange range = Range();
        CheckShape(shape);
        Check.Is(x, Engine, shape.X);
        Check.Is(weight, Engine, shape.Weight);
        Check.Is(dY, Engine, shape.Y);
        Check.Is(dWeight, Engine, shape.Weight);
        Check.Is(dBias, Engine, new Shape(shape.K));
        Check.Disjoint(dWeight, weight);
        Check.Disjoint(dWeight, dY);
        Check.Is(workspace, Engine);
        if (dX is not null)
        {
            Check.Is(dX, Engine, shape.X);
            Check.Disjoint(dX, dY);
            Check.Disjoint(dX, x);
        }

        workspace.Begin(BackwardWorkspace(shape));
        if (shape.Y.Length == 0)
            dX?.Fill(0);
        else
            BackwardCore(shape, x, weight, dY, dX, dWeight, dBias, workspace);
    }

    /// <summary><see cref="Forward"/> on validated arguments, the output not empty.</summary>
    protected abstract void ForwardCore(Conv2dShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Workspace workspace);

    /// <summary><see cref="Backward"/> on validated arguments, the output not empty.</summary>
    protected abstract void BackwardCore(
        Conv2dShape shape, Tensor x, Tensor weight, Tensor dY, Tensor? dX, Tensor dWeight, Tensor dBias, Workspace workspace);

    private static void CheckShape(Conv2dShape shape)
    {
        Check.That(shape.StrideH > 0 && shape.StrideW > 0, "strides are positive");
        Check.That(shape.R > 0 && shape.S > 0, "a kernel has at least one row and column");
        Check.That(shape.PadH >= 0 && shape.PadW >= 0, "padding is not negative");
    }
}
