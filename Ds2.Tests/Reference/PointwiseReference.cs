namespace Ds2.Tests.Reference;

/// <summary>The ops that only move, clip or zero elements, in double.</summary>
internal static class PointwiseReference
{
    public static double[] Hardtanh(double[] x, double low, double high) =>
        Array.ConvertAll(x, v => double.IsNaN(v) ? v : v < low ? low : v > high ? high : v);

    public static double[] HardtanhBackward(double[] x, double low, double high, double[] dY)
    {
        var dX = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
            dX[i] = x[i] <= low || x[i] >= high ? 0 : dY[i];
        return dX;
    }

    /// <summary>x [N, C, F, T], zero where t >= lengths[n].</summary>
    public static double[] LengthMask(double[] x, Shape shape, int[] lengths)
    {
        var y = new double[x.Length];
        int frames = shape[3], utterance = shape[1] * shape[2] * frames;
        for (int i = 0; i < x.Length; i++)
            y[i] = i % frames < lengths[i / utterance] ? x[i] : 0;
        return y;
    }

    /// <summary>[N, C, F, T] to [T, N, C F]: y[t, n, c F + f] = x[n, c, f, t].</summary>
    public static double[] TimeMajor(double[] x, Shape shape)
    {
        var y = new double[x.Length];
        int rows = shape[1] * shape[2], frames = shape[3];
        for (int n = 0; n < shape[0]; n++)
            for (int row = 0; row < rows; row++)
                for (int t = 0; t < frames; t++)
                    y[(t * shape[0] + n) * rows + row] = x[(n * rows + row) * frames + t];
        return y;
    }
}
