using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Conv2d"/> on the CPU.</summary>
internal sealed unsafe class HostConv2d(HostEngine engine) : Conv2d(engine)
{
    /// <inheritdoc/>
    public override int ForwardWorkspace(Conv2dShape shape) => Workspace.Round(shape.Window * shape.OutH * shape.OutW);

    /// <inheritdoc/>
    public override int BackwardWorkspace(Conv2dShape shape) => Workspace.Round(shape.Window * shape.OutH * shape.OutW);

    /// <inheritdoc/>
    protected override void ForwardCore(Conv2dShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Workspace workspace)
    {
        int p = shape.OutH * shape.OutW;
        float* cols = workspace.Take(new Shape(shape.Window * p)).Pointer();
        for (int n = 0; n < shape.N; n++)
        {
            Im2Col(shape, x.Pointer() + (long)n * shape.C * shape.H * shape.W, cols);
            float* o = y.Pointer() + (long)n * shape.K * p;
            MatrixProduct.Multiply(engine.Workers, shape.K, p, shape.Window, false, false, weight.Pointer(), shape.Window, cols, p, o, p, 0, null);
            for (int k = 0; k < shape.K; k++)
                for (int i = 0; i < p; i++)
                    o[k * p + i] += bias.Pointer()[k];
        }
    }

    /// <inheritdoc/>
    protected override void BackwardCore(Conv2dShape shape, Tensor x, Tensor weight, Tensor dY, Tensor? dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        int p = shape.OutH * shape.OutW;
        float* cols = workspace.Take(new Shape(shape.Window * p)).Pointer();
        for (int n = 0; n < shape.N; n++)
        {
            float* g = dY.Pointer() + (long)n * shape.K * p;
            Im2Col(shape, x.Pointer() + (long)n * shape.C * shape.H * shape.W, cols);
            MatrixProduct.Multiply(engine.Workers, shape.K, shape.Window, p, false, true, g, p, cols, p, dWeight.Pointer(), shape.Window, 1, null);
            for (int k = 0; k < shape.K; k++)
            {
                double s = 0;
                for (int i = 0; i < p; i++)
                    s += g[k * p + i];
                dBias.Pointer()[k] += (float)s;
            }

            if (dX is null)
                continue;
            MatrixProduct.Multiply(engine.Workers, shape.Window, p, shape.K, true, false, weight.Pointer(), shape.Window, g, p, cols, p, 0, null);
            Col2Im(shape, cols, dX.Pointer() + (long)n * shape.C * shape.H * shape.W);
        }
    }

    private void Im2Col(Conv2dShape s, float* x, float* cols) => engine.Workers.For(s.C * s.R, cr =>
    {
        int c = cr / s.R, r = cr % s.R;
        for (int q = 0; q < s.S; q++)
        {
            float* o = cols + (long)(cr * s.S + q) * s.OutH * s.OutW;
            for (int i = 0; i < s.OutH; i++)
            {
                int h = i * s.StrideH + r - s.PadH;
                for (int j = 0; j < s.OutW; j++)
                {
                    int w = j * s.StrideW + q - s.PadW;
                    o[i * s.OutW + j] = h >= 0 && h < s.H && w >= 0 && w < s.W ? x[(c * s.H + h) * s.W + w] : 0;
                }
            }
        }
    });

    private void Col2Im(Conv2dShape s, float* cols, float* dx) => engine.Workers.For(s.C, c =>
    {
        new Span<float>(dx + c * s.H * s.W, s.H * s.W).Clear();
        for (int r = 0; r < s.R; r++)
            for (int q = 0; q < s.S; q++)
            {
                float* o = cols + (long)((c * s.R + r) * s.S + q) * s.OutH * s.OutW;
                for (int i = 0; i < s.OutH; i++)
                {
                    int h = i * s.StrideH + r - s.PadH;
                    if (h < 0 || h >= s.H)
                        continue;
                    for (int j = 0; j < s.OutW; j++)
                    {
                        int w = j * s.StrideW + q - s.PadW;
                        if (w >= 0 && w < s.W)
                            dx[(c * s.H + h) * s.W + w] += o[i * s.OutW + j];
                    }
                }
            }
    });
}
