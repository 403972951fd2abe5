using Ds2.Kernels.Ops;
using MathNet.Numerics.LinearAlgebra;

namespace Ds2.Tests.Reference;

/// <summary>The parameters of one direction, or their gradients, in double; the layout of <see cref="GruWeights"/>.</summary>
internal sealed record GruParameters(double[] Input, double[] Recurrent, double[] InputBias, double[] RecurrentBias);

/// <summary>A GRU in double: every utterance by itself, over its own frames only, frame by frame.</summary>
internal static class GruReference
{
    /// <summary>Outputs; the gates and candidates are defined at valid frames only.</summary>
    public sealed record Result(double[] Y, double[] Hidden, double[] Gates, double[] Candidates);

    // Initial: [N, H], the state before the first frame; null for zeros.
    public static Result Forward(GruShape shape, double[] x, int[] lengths, GruParameters[] parameters, double[]? initial = null)
    {
        var result = new Result(
            new double[shape.Y.Length], new double[shape.Hidden.Length], new double[shape.Gates.Length], new double[shape.Hidden.Length]);
        for (int d = 0; d < shape.Directions; d++)
        {
            var cell = new Cell(shape, parameters[d]);
            for (int n = 0; n < shape.N; n++)
            {
                foreach ((Frame frame, int t) in cell.Run(x, n, Order(lengths[n], d), Start(shape, initial, n)))
                {
                    int row = (d * shape.T + t) * shape.N + n;
                    Write(result.Hidden, row, frame.State);
                    Write(result.Candidates, row, frame.Candidate);
                    Write(result.Gates, 3 * row, frame.R);
                    Write(result.Gates, 3 * row + 1, frame.Z);
                    Write(result.Gates, 3 * row + 2, frame.N);
                    for (int j = 0; j < shape.H; j++)
                        result.Y[(t * shape.N + n) * shape.H + j] += frame.State[j];
                }
            }
        }

        return result;
    }

    /// <returns>The gradients with respect to the input, the parameters, and each direction's states before its first frame, [Directions, N, H].</returns>
    public static (double[] dX, GruParameters[] Gradients, double[] dInitial) Backward(
        GruShape shape, double[] x, int[] lengths, GruParameters[] parameters, double[] dY, double[]? initial = null)
    {
        var dInitial = new double[shape.Directions * shape.State.Length];
        var dX = new double[shape.X.Length];
        var gradients = new GruParameters[shape.Directions];
        for (int d = 0; d < shape.Directions; d++)
        {
            var cell = new Cell(shape, parameters[d]);
            var dInput = Matrix<double>.Build.Dense(3 * shape.H, shape.I);
            var dRecurrent = Matrix<double>.Build.Dense(3 * shape.H, shape.H);
            var dInputBias = Vector<double>.Build.Dense(3 * shape.H);
            var dRecurrentBias = Vector<double>.Build.Dense(3 * shape.H);
            for (int n = 0; n < shape.N; n++)
            {
                var carry = Vector<double>.Build.Dense(shape.H);
                foreach ((Frame frame, int t) in cell.Run(x, n, Order(lengths[n], d), Start(shape, initial, n)).AsEnumerable().Reverse())
                {
                    // h' = (1 - z) n + z h, read backwards.
                    Vector<double> dState = carry + Row(dY, t * shape.N + n, shape.H);
                    Vector<double> dZ = dState.PointwiseMultiply(frame.Before - frame.N).PointwiseMultiply(frame.Z).PointwiseMultiply(1 - frame.Z);
                    Vector<double> dN = dState.PointwiseMultiply(1 - frame.Z).PointwiseMultiply(1 - frame.N.PointwisePower(2));
                    Vector<double> dR = dN.PointwiseMultiply(frame.Candidate).PointwiseMultiply(frame.R).PointwiseMultiply(1 - frame.R);
                    Vector<double> dCandidate = dN.PointwiseMultiply(frame.R);

                    Vector<double> fromInput = Stack(dR, dZ, dN), fromState = Stack(dR, dZ, dCandidate);
                    dInput += fromInput.OuterProduct(frame.X);
                    dInputBias += fromInput;
                    dRecurrent += fromState.OuterProduct(frame.Before);
                    dRecurrentBias += fromState;
                    Vector<double> dFrame = cell.W.TransposeThisAndMultiply(fromInput);
                    for (int i = 0; i < shape.I; i++)
                        dX[(t * shape.N + n) * shape.I + i] += dFrame[i];
                    carry = dState.PointwiseMultiply(frame.Z) + cell.U.TransposeThisAndMultiply(fromState);
                }

                Write(dInitial, d * shape.N + n, carry);
            }

            gradients[d] = new GruParameters(dInput.ToRowMajorArray(), dRecurrent.ToRowMajorArray(), [.. dInputBias], [.. dRecurrentBias]);
        }

        return (dX, gradients, dInitial);
    }

    // The frames of an utterance in the order in which a direction visits them.
    private static IEnumerable<int> Order(int length, int direction) =>
        direction == 0 ? Enumerable.Range(0, length) : Enumerable.Range(0, length).Reverse();

    private static Vector<double> Start(GruShape shape, double[]? initial, int n) =>
        initial is null ? Vector<double>.Build.Dense(shape.H) : Row(initial, n, shape.H);

    private static Vector<double> Row(double[] matrix, int row, int width) => Vector<double>.Build.Dense(matrix[(row * width)..((row + 1) * width)]);

    private static void Write(double[] matrix, int row, Vector<double> values)
    {
        for (int i = 0; i < values.Count; i++)
            matrix[row * values.Count + i] = values[i];
    }

    private static Vector<double> Stack(params Vector<double>[] parts) => Vector<double>.Build.Dense([.. parts.SelectMany(p => p)]);

    private sealed record Frame(
        Vector<double> X, Vector<double> Before, Vector<double> R, Vector<double> Z, Vector<double> N, Vector<double> Candidate, Vector<double> State);

    private sealed class Cell(GruShape shape, GruParameters parameters)
    {
        public Matrix<double> W { get; } = Matrix<double>.Build.DenseOfRowMajor(3 * shape.H, shape.I, parameters.Input);

        public Matrix<double> U { get; } = Matrix<double>.Build.DenseOfRowMajor(3 * shape.H, shape.H, parameters.Recurrent);

        private Vector<double> B { get; } = Vector<double>.Build.Dense(parameters.InputBias);

        private Vector<double> C { get; } = Vector<double>.Build.Dense(parameters.RecurrentBias);

        public List<(Frame Frame, int T)> Run(double[] x, int n, IEnumerable<int> order, Vector<double> state)
        {
            var frames = new List<(Frame, int)>();
            foreach (int t in order)
            {
                Vector<double> input = Row(x, t * shape.N + n, shape.I), before = state;
                Vector<double> fromInput = W * input + B, fromState = U * before + C;
                Vector<double> Part(Vector<double> gates, int gate) => gates.SubVector(gate * shape.H, shape.H);
                Vector<double> r = (Part(fromInput, 0) + Part(fromState, 0)).Map(Sigmoid);
                Vector<double> z = (Part(fromInput, 1) + Part(fromState, 1)).Map(Sigmoid);
                Vector<double> candidate = Part(fromState, 2);
                Vector<double> gate = (Part(fromInput, 2) + r.PointwiseMultiply(candidate)).Map(Math.Tanh);
                state = (1 - z).PointwiseMultiply(gate) + z.PointwiseMultiply(before);
                frames.Add((new Frame(input, before, r, z, gate, candidate, state), t));
            }

            return frames;
        }

        private static double Sigmoid(double v) => 1 / (1 + Math.Exp(-v));
    }
}
