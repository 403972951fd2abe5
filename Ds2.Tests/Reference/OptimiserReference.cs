using Ds2.Kernels.Ops;

namespace Ds2.Tests.Reference;

/// <summary>The gradient norm and the two optimisers in double.</summary>
internal static class OptimiserReference
{
    public static (double Norm, double Factor) GradientNorm(double[] gradients, double maxNorm)
    {
        double norm = Math.Sqrt(gradients.Sum(g => g * g));
        return (norm, double.IsFinite(norm) ? Math.Min(1, maxNorm / (norm + 1e-6)) : 0);
    }

    public static void Sgd(SgdOptions options, double factor, double[] gradients, double[] parameters, double[] velocity)
    {
        for (int i = 0; i < parameters.Length && factor != 0; i++)
        {
            double g = factor * gradients[i] + options.WeightDecay * parameters[i];
            velocity[i] = options.Momentum * velocity[i] + g;
            parameters[i] -= options.LearningRate * (options.Nesterov ? g + options.Momentum * velocity[i] : velocity[i]);
        }
    }

    public static void AdamW(
        AdamWOptions options, int step, double factor, double[] gradients, double[] parameters, double[] firstMoment, double[] secondMoment)
    {
        for (int i = 0; i < parameters.Length && factor != 0; i++)
        {
            double g = factor * gradients[i];
            parameters[i] *= 1 - (double)options.LearningRate * options.WeightDecay;
            firstMoment[i] = options.Beta1 * firstMoment[i] + (1 - (double)options.Beta1) * g;
            secondMoment[i] = options.Beta2 * secondMoment[i] + (1 - (double)options.Beta2) * g * g;
            double first = firstMoment[i] / (1 - Math.Pow(options.Beta1, step)), second = secondMoment[i] / (1 - Math.Pow(options.Beta2, step));
            parameters[i] -= options.LearningRate * first / (Math.Sqrt(second) + options.Epsilon);
        }
    }
}
