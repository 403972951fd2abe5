using Ds2.Kernels.Ops;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Double;

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

    public static void Muon(MuonOptions options, MuonShape matrices, double factor, double[] gradients, double[] parameters, double[] momentum)
    {
        if (factor == 0)
            return;
        int length = matrices.Rows * matrices.Columns;
        for (int matrix = 0; matrix < matrices.Count; matrix++)
        {
            var u = new DenseMatrix(matrices.Rows, matrices.Columns);
            for (int i = 0; i < length; i++)
            {
                int at = matrix * length + i;
                double g = factor * gradients[at];
                momentum[at] = options.Momentum * momentum[at] + (1 - (double)options.Momentum) * g;
                u[i / matrices.Columns, i % matrices.Columns] = options.Momentum * momentum[at] + (1 - (double)options.Momentum) * g;
            }

            Matrix<double> x = u / u.FrobeniusNorm();
            foreach ((double a, double b, double c) in new[] { (8.3837, -24.7659, 18.3571), (4.0434, -3.0114, 0.5695), (3.5056, -2.6267, 0.5257), (2.4901, -1.8343, 0.4368) })
            {
                Matrix<double> square = x * x.Transpose();
                x = a * x + (b * square + c * square * square) * x;
            }

            for (int i = 0; i < length; i++)
            {
                int at = matrix * length + i;
                parameters[at] *= 1 - (double)options.LearningRate * options.WeightDecay;
                parameters[at] -= options.LearningRate * 0.2 * Math.Sqrt(Math.Max(matrices.Rows, matrices.Columns)) * x[i / matrices.Columns, i % matrices.Columns];
            }
        }
    }
}
