using Ds2.Kernels.Ops;

namespace Ds2.Tests.Reference;

/// <summary>2-D convolution in double: the seven loops of its definition.</summary>
internal static class Conv2dReference
{
    private delegate void Tap(int x, int weight, int y);

    public static double[] Forward(Conv2dShape shape, double[] x, double[] weight, double[] bias)
    {
        var result = new double[shape.Y.Length];
        int plane = shape.OutH * shape.OutW;
        for (int i = 0; i < result.Length; i++)
            result[i] = bias[i / plane % shape.K];
        ForEachTap(shape, (xi, wi, yi) => result[yi] += x[xi] * weight[wi]);
        return result;
    }

    public static (double[] dX, double[] dWeight, double[] dBias) Backward(Conv2dShape shape, double[] x, double[] weight, double[] dY)
    {
        double[] dX = new double[x.Length], dWeight = new double[weight.Length], dBias = new double[shape.K];
        ForEachTap(shape, (xi, wi, yi) =>
        {
            dX[xi] += dY[yi] * weight[wi];
            dWeight[wi] += dY[yi] * x[xi];
        });
        int plane = shape.OutH * shape.OutW;
        for (int i = 0; i < dY.Length; i++)
            dBias[i / plane % shape.K] += dY[i];
        return (dX, dWeight, dBias);
    }

    // Every product of the definition whose x lies within bounds, as flat indices.
    private static void ForEachTap(Conv2dShape s, Tap tap)
    {
        for (int n = 0; n < s.N; n++)
            for (int k = 0; k < s.K; k++)
                for (int p = 0; p < s.OutH; p++)
                    for (int q = 0; q < s.OutW; q++)
                        for (int c = 0; c < s.C; c++)
                            for (int r = 0; r < s.R; r++)
                                for (int t = 0; t < s.S; t++)
                                {
                                    int h = p * s.StrideH + r - s.PadH, w = q * s.StrideW + t - s.PadW;
                                    if (h >= 0 && h < s.H && w >= 0 && w < s.W)
                                        tap(((n * s.C + c) * s.H + h) * s.W + w, ((k * s.C + c) * s.R + r) * s.S + t, ((n * s.K + k) * s.OutH + p) * s.OutW + q);
                                }
    }
}
