namespace Ds2.Tests.Reference;

/// <summary>log softmax over rows of C elements in double.</summary>
internal static class LogSoftmaxReference
{
    public static double[] Forward(double[] x, int classes)
    {
        var y = new double[x.Length];
        for (int row = 0; row < x.Length; row += classes)
        {
            ReadOnlySpan<double> logits = x.AsSpan(row, classes);
            double largest = double.NegativeInfinity, sum = 0;
            foreach (double logit in logits)
                largest = Math.Max(largest, logit);
            foreach (double logit in logits)
                sum += Math.Exp(logit - largest);
            for (int c = 0; c < classes; c++)
                y[row + c] = logits[c] - largest - Math.Log(sum);
        }

        return y;
    }

    public static double[] Backward(double[] y, double[] dY, int classes)
    {
        var dX = new double[y.Length];
        for (int row = 0; row < y.Length; row += classes)
        {
            double sum = 0;
            for (int c = 0; c < classes; c++)
                sum += dY[row + c];
            for (int c = 0; c < classes; c++)
                dX[row + c] = dY[row + c] - Math.Exp(y[row + c]) * sum;
        }

        return dX;
    }
}
