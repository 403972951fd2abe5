using Ds2.Kernels.Ops;

namespace Ds2.Tests.Reference;

/// <summary>Batch normalisation over valid frames in double, feature by feature.</summary>
internal static class BatchNormReference
{
    public sealed record Result(double[] Y, double[] Mean, double[] InverseDeviation, double[] RunningMean, double[] RunningVariance);

    public static Result Forward(
        BatchNormShape shape, double[] x, int[] lengths, double[] weight, double[] bias,
        double[] runningMean, double[] runningVariance, double momentum, double epsilon)
    {
        var result = new Result(new double[x.Length], new double[shape.C], new double[shape.C], [.. runningMean], [.. runningVariance]);
        for (int c = 0; c < shape.C; c++)
        {
            int[] valid = Elements(shape, c, lengths);
            int m = valid.Length;
            double mean = m == 0 ? 0 : valid.Average(i => x[i]);
            double variance = m == 0 ? 0 : valid.Average(i => (x[i] - mean) * (x[i] - mean));
            double inverse = 1 / Math.Sqrt(variance + epsilon);
            foreach (int i in Elements(shape, c, lengths: null))
                result.Y[i] = weight[c] * (x[i] - mean) * inverse + bias[c];
            result.Mean[c] = mean;
            result.InverseDeviation[c] = inverse;
            if (m == 0)
                continue;
            double unbiased = m == 1 ? variance : variance * m / (m - 1);
            result.RunningMean[c] = (1 - momentum) * runningMean[c] + momentum * mean;
            result.RunningVariance[c] = (1 - momentum) * runningVariance[c] + momentum * unbiased;
        }

        return result;
    }

    public static double[] Infer(
        BatchNormShape shape, double[] x, double[] weight, double[] bias, double[] runningMean, double[] runningVariance, double epsilon)
    {
        var y = new double[x.Length];
        for (int c = 0; c < shape.C; c++)
            foreach (int i in Elements(shape, c, lengths: null))
                y[i] = weight[c] * (x[i] - runningMean[c]) / Math.Sqrt(runningVariance[c] + epsilon) + bias[c];
        return y;
    }

    public static (double[] dX, double[] dWeight, double[] dBias) Backward(
        BatchNormShape shape, double[] x, int[] lengths, double[] weight, double epsilon, double[] dY)
    {
        Result forward = Forward(shape, x, lengths, weight, new double[shape.C], new double[shape.C], new double[shape.C], 0, epsilon);
        double[] dX = new double[x.Length], dWeight = new double[shape.C], dBias = new double[shape.C];
        for (int c = 0; c < shape.C; c++)
        {
            int[] valid = Elements(shape, c, lengths);
            double Normalized(int i) => (x[i] - forward.Mean[c]) * forward.InverseDeviation[c];
            dBias[c] = valid.Sum(i => dY[i]);
            dWeight[c] = valid.Sum(i => dY[i] * Normalized(i));
            foreach (int i in valid)
                dX[i] = weight[c] * forward.InverseDeviation[c] * (dY[i] - (dBias[c] + Normalized(i) * dWeight[c]) / valid.Length);
        }

        return (dX, dWeight, dBias);
    }

    // The flat indices of a feature's elements at valid frames; at all frames for lengths null.
    private static int[] Elements(BatchNormShape shape, int c, int[]? lengths)
    {
        var indices = new List<int>();
        for (int n = 0; n < shape.N; n++)
            for (int f = 0; f < shape.F; f++)
                for (int t = 0; t < (lengths is null ? shape.T : lengths[n]); t++)
                    indices.Add(shape.Layout == BatchNormLayout.TimeMajor ? (t * shape.N + n) * shape.C + c : ((n * shape.C + c) * shape.F + f) * shape.T + t);
        return [.. indices];
    }
}
