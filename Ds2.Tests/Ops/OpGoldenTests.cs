using System.Text.Json;
using Ds2.Kernels.Ops;

namespace Ds2.Tests.Ops;

/// <summary>The ops against PyTorch: Goldens/op_goldens.json, written by make_op_goldens.py beside it.</summary>
public sealed class OpGoldenTests(string engine) : OpTest(engine)
{
    private static readonly Dictionary<string, Dictionary<string, double[]>> Goldens =
        JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, double[]>>>(
            File.ReadAllText(Path.Combine(TestContext.CurrentContext.TestDirectory, "Goldens", "op_goldens.json")))!;

    [Test]
    public void Conv2d_MatchesPyTorch()
    {
        Dictionary<string, double[]> golden = Goldens["conv2d"];
        var shape = new Conv2dShape(N: 2, C: 2, H: 7, W: 9, K: 3, R: 3, S: 4, StrideH: 2, StrideW: 2, PadH: 1, PadW: 2);
        var op = Conv2d.On(Engine);
        Tensor x = Input(shape.X, Of(golden, "x")), weight = Input(shape.Weight, Of(golden, "weight")), bias = Input(new Shape(3), Of(golden, "bias"));
        Tensor y = Output(shape.Y), dX = Output(shape.X), dWeight = Zero(shape.Weight), dBias = Zero(new Shape(3));
        op.Forward(shape, x, weight, bias, y, Scratch(op.ForwardWorkspace(shape)));
        op.Backward(shape, x, weight, Input(shape.Y, Of(golden, "dY")), dX, dWeight, dBias, Scratch(op.BackwardWorkspace(shape)));
        Compare.Close(y, golden["y"], Tolerances.Golden);
        Compare.Close(dX, golden["dX"], Tolerances.Golden);
        Compare.Close(dWeight, golden["dWeight"], Tolerances.Golden);
        Compare.Close(dBias, golden["dBias"], Tolerances.Golden);
    }

    [Test]
    public void BatchNorm_MatchesPyTorch()
    {
        Dictionary<string, double[]> golden = Goldens["batchNorm"];
        var shape = new BatchNormShape(BatchNormLayout.ChannelsFirst, N: 2, C: 3, F: 2, T: 4);
        var features = new Shape(3);
        var op = BatchNorm.On(Engine);
        Tensor x = Input(shape.X, Of(golden, "x")), weight = Input(features, Of(golden, "weight")), bias = Input(features, Of(golden, "bias"));
        Tensor runningMean = Zero(features), runningVariance = Accumulator(features, [1, 1, 1], "runningVariance");
        IntTensor lengths = IntInput(new Shape(2), [4, 4], "lengths");
        Tensor y = Output(shape.X), mean = Output(features), inverseDeviation = Output(features);
        foreach (Tensor batch in new[] { Input(shape.X, Of(golden, "before")), x })
            op.Forward(
                shape, batch, lengths, weight, bias, runningMean, runningVariance, 0.1f, 1e-5f, y, mean, inverseDeviation, Scratch(op.WorkspaceFor(shape)));
        Compare.Close(y, golden["y"], Tolerances.Golden);
        Compare.Close(runningMean, golden["runningMean"], Tolerances.Golden);
        Compare.Close(runningVariance, golden["runningVariance"], Tolerances.Golden);

        Tensor dX = Output(shape.X), dWeight = Zero(features), dBias = Zero(features), inferred = Output(shape.X);
        op.Backward(
            shape, x, lengths, weight, mean, inverseDeviation, Input(shape.X, Of(golden, "dY")), dX, dWeight, dBias, Scratch(op.WorkspaceFor(shape)));
        Compare.Close(dX, golden["dX"], Tolerances.Golden);
        Compare.Close(dWeight, golden["dWeight"], Tolerances.Golden);
        Compare.Close(dBias, golden["dBias"], Tolerances.Golden);

        op.Infer(shape, x, weight, bias, runningMean, runningVariance, 1e-5f, inferred);
        Compare.Close(inferred, golden["inferred"], Tolerances.Golden);
    }

    [TestCase(1)]
    [TestCase(2)]
    public void Gru_MatchesPyTorch(int directions)
    {
        Dictionary<string, double[]> golden = Goldens[$"gru{directions}"];
        var shape = new GruShape(T: 5, N: 3, I: 4, H: 3, directions);
        var op = Gru.On(Engine);
        Tensor x = Input(shape.X, Of(golden, "x")), hidden = Output(shape.Hidden), gates = Output(shape.Gates), candidates = Output(shape.Hidden);
        Tensor y = directions == 1 ? hidden.Reshape(shape.Y) : Output(shape.Y), dX = Output(shape.X);
        IntTensor lengths = IntInput(new Shape(3), [5, 3, 2], "lengths");
        GruWeights[] weights = [.. Enumerable.Range(0, directions).Select(d => new GruWeights(
            Input(shape.InputWeight, Of(golden, $"input{d}")), Input(shape.RecurrentWeight, Of(golden, $"recurrent{d}")),
            Input(shape.Bias, Of(golden, $"inputBias{d}")), Input(shape.Bias, Of(golden, $"recurrentBias{d}"))))];
        GruWeights[] gradients = Array.ConvertAll(
            weights, _ => new GruWeights(Zero(shape.InputWeight), Zero(shape.RecurrentWeight), Zero(shape.Bias), Zero(shape.Bias)));
        op.Forward(shape, x, lengths, weights, y, hidden, gates, candidates, Scratch(op.ForwardWorkspace(shape)));
        Compare.Close(y, golden["y"], Tolerances.Golden);

        op.Backward(
            shape, x, lengths, weights, hidden, gates, candidates, Input(shape.Y, Of(golden, "dY")), dX, gradients, Scratch(op.BackwardWorkspace(shape)));
        Compare.Close(dX, golden["dX"], Tolerances.Golden);
        for (int d = 0; d < directions; d++)
        {
            Compare.Close(gradients[d].Input, golden[$"inputGradient{d}"], Tolerances.Golden);
            Compare.Close(gradients[d].Recurrent, golden[$"recurrentGradient{d}"], Tolerances.Golden);
            Compare.Close(gradients[d].InputBias, golden[$"inputBiasGradient{d}"], Tolerances.Golden);
            Compare.Close(gradients[d].RecurrentBias, golden[$"recurrentBiasGradient{d}"], Tolerances.Golden);
        }
    }

    [Test]
    public void LogSoftmax_MatchesPyTorch()
    {
        Dictionary<string, double[]> golden = Goldens["logSoftmax"];
        var shape = new Shape(3, 2, 5);
        var op = LogSoftmax.On(Engine);
        Tensor y = Output(shape), dX = Output(shape);
        op.Forward(Input(shape, Of(golden, "x")), y);
        op.Backward(y, Input(shape, Of(golden, "dY")), dX);
        Compare.Close(y, golden["y"], Tolerances.Golden);
        Compare.Close(dX, golden["dX"], Tolerances.Golden);
    }

    [Test]
    public void Ctc_MatchesPyTorch()
    {
        Dictionary<string, double[]> golden = Goldens["ctc"];
        var shape = new CtcShape(T: 8, N: 4, C: 5, L: 4);
        var op = Ctc.On(Engine);
        Tensor logProbabilities = Output(shape.LogProbabilities), losses = Output(new Shape(4)), alpha = Output(shape.Alpha), dLogits = Output(shape.LogProbabilities);
        LogSoftmax.On(Engine).Forward(Input(shape.LogProbabilities, Of(golden, "logits")), logProbabilities);
        IntTensor frames = IntInput(new Shape(4), [8, 5, 6, 3], "frames"), counts = IntInput(new Shape(4), [4, 2, 0, 3], "counts");
        IntTensor labels = IntInput(shape.Labels, [1, 2, 2, 4, 3, 3, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0], "labels");
        op.Forward(shape, logProbabilities, frames, labels, counts, losses, alpha);
        op.Backward(shape, logProbabilities, frames, labels, counts, losses, alpha, 1, dLogits, Scratch(op.BackwardWorkspace(shape)));

        // PyTorch's zero_infinity writes 0 for the text that does not fit; ours stays infinite, with the same gradient.
        double[] expected = golden["losses"];
        expected[3] = double.PositiveInfinity;
        Compare.Close(losses, expected, Tolerances.Golden);
        Compare.Close(dLogits, golden["dLogits"], Tolerances.Golden);
    }

    [Test]
    public void Sgd_WithClipping_MatchesPyTorch()
    {
        Tensor velocity = Zero(new Shape(7));
        var op = Sgd.On(Engine);
        var options = new SgdOptions(LearningRate: 0.125f, Momentum: 0.875f, WeightDecay: 0.0625f, Nesterov: true);
        AssertFourSteps(Goldens["sgd"], (_, clip, gradients, parameters) => op.Step(options, clip, gradients, parameters, velocity));
    }

    [Test]
    public void AdamW_WithClipping_MatchesPyTorch()
    {
        Tensor first = Zero(new Shape(7)), second = Zero(new Shape(7));
        var op = AdamW.On(Engine);
        var options = new AdamWOptions(LearningRate: 0.125f, Beta1: 0.875f, Beta2: 0.96875f, Epsilon: 1f / (1 << 20), WeightDecay: 0.0625f);
        AssertFourSteps(Goldens["adamW"], (step, clip, gradients, parameters) => op.Step(options, step, clip, gradients, parameters, first, second));
    }

    private void AssertFourSteps(Dictionary<string, double[]> golden, Action<int, Tensor, Tensor, Tensor> takeStep)
    {
        const int length = 7, maxNorm = 4;
        var norm = GradientNorm.On(Engine);
        Tensor parameters = Accumulator(new Shape(length), Of(golden, "start"), "parameters");
        for (int step = 1; step <= 4; step++)
        {
            Range own = ((step - 1) * length)..(step * length);
            Tensor gradients = Input(new Shape(length), Of(golden, "gradients")[own]), clip = Output(new Shape(2));
            norm.Compute(gradients, maxNorm, clip, Scratch(norm.WorkspaceFor(length)));
            takeStep(step, clip, gradients, parameters);
            Compare.Close([clip.ToArray()[0]], [golden["norms"][step - 1]], Tolerances.Golden, $"norm of step {step}");
            Compare.Close(parameters, golden["after"][own], Tolerances.Golden, $"after step {step}");
        }
    }

    private Tensor Zero(Shape shape) => Accumulator(shape, new float[shape.Length], "a sum from zero");

    private static float[] Of(Dictionary<string, double[]> golden, string name) => Array.ConvertAll(golden[name], v => (float)v);
}
