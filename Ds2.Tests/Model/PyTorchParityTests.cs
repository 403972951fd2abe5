using System.Globalization;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Safetensors;
using Ds2.Runtime.Training;
using Ds2.Tests.Engines;

namespace Ds2.Tests.Model;

/// <summary>Replays ten training steps that PyTorch made: Goldens/make_model_goldens.py.</summary>
[TestFixtureSource(typeof(TestEngines), nameof(TestEngines.Names))]
public sealed class PyTorchParityTests(string engineName)
{
    private const int Blank = 0;
    private const int Classes = 29;

    private IEngine Engine => TestEngines.Get(engineName);

    // ILGPU's emulated device takes many seconds a step. The first one holds its logits, loss and every gradient against PyTorch's; the updates have op tests.
    private int Steps => engineName == "emulated" ? 1 : 10;

    [TestCase("unidirectional")]
    [TestCase("bidirectional")]
    public void TrainingSteps_MatchPyTorch(string name)
    {
        using SafetensorsFile golden = OpenGolden(name);
        RunOptions options = Options(golden);
        using DeepSpeech2 model = Load(golden, options);
        using ModelPass pass = model.NewPass();
        using Optimizer optimizer = Optimizer.Create(options.Training, model.Parameters, model.Workspace);
        using var criterion = new CtcCriterion(Engine, Blank, model.Workspace);
        using Tensor features = Engine.Allocate(ShapeOf(golden, "features"));
        golden.ReadInto("features", features);
        int[] frames = golden.Read<int>("frames");
        int[][] texts = Texts(golden);
        float[] losses = golden.Read<float>("losses");
        float[] norms = golden.Read<float>("gradient_norms");

        for (int step = 0; step < Steps; step++)
        {
            model.Parameters.BeginStep();
            Sequence logits = pass.Forward(features, frames, training: true);
            if (step == 0)
                AssertValidLogits(golden, logits);
            criterion.Forward(logits, texts);
            pass.Backward(criterion.Backward());
            if (step == 0)
                AssertClose(golden, "gradient", model.Parameters.Parameters.Select(parameter => (parameter.Name, parameter.Gradient)));
            optimizer.Step(step + 1, options.Training.Lr);
            Engine.Synchronize();
            double loss = criterion.Losses().Mean;

            Assert.That(loss, Is.EqualTo(losses[step]).Within(Tolerances.GoldenCurve * losses[step]), $"loss of step {step}");
            Assert.That(optimizer.LastGradientNorm, Is.EqualTo(norms[step]).Within(Tolerances.GoldenCurve * norms[step]), $"gradient norm of step {step}");
        }

        if (Steps == losses.Length)
        {
            AssertClose(golden, "final", model.Parameters.Parameters.Select(parameter => (parameter.Name, parameter.Values)));
            AssertClose(golden, "final", model.Parameters.Statistics);
        }
    }

    [Test]
    public void ParameterNames_ArePyTorchs([Values("unidirectional", "bidirectional")] string name)
    {
        using SafetensorsFile golden = OpenGolden(name);
        using DeepSpeech2 model = Load(golden, Options(golden));
        const string Prefix = "initial.";
        Assert.That(
            model.Parameters.Parameters.Select(parameter => parameter.Name).Concat(model.Parameters.Statistics.Select(statistic => statistic.Name)),
            Is.EquivalentTo(golden.Header.Tensors.Where(tensor => tensor.Name.StartsWith(Prefix)).Select(tensor => tensor.Name[Prefix.Length..])));
    }

    private static SafetensorsFile OpenGolden(string name) =>
        SafetensorsFile.Open(Path.Combine(AppContext.BaseDirectory, "Goldens", $"model_{name}.safetensors"));

    private static RunOptions Options(SafetensorsFile golden)
    {
        IReadOnlyDictionary<string, string> metadata = golden.Header.Metadata;
        return new RunOptions
        {
            Model = new() { Channels = int.Parse(metadata["channels"]), Hidden = int.Parse(metadata["hidden"]), Layers = int.Parse(metadata["layers"]), Bidirectional = bool.Parse(metadata["bidirectional"]) },
            Training = new() { Optimizer = OptimizerKind.Sgd, Lr = double.Parse(metadata["lr"], CultureInfo.InvariantCulture), Momentum = double.Parse(metadata["momentum"], CultureInfo.InvariantCulture), MaxNorm = double.Parse(metadata["max_norm"], CultureInfo.InvariantCulture) },
        };
    }

    private DeepSpeech2 Load(SafetensorsFile golden, RunOptions options)
    {
        int rows = ShapeOf(golden, "features")[2];
        var architecture = new Architecture(rows, options.Model.Channels, options.Model.Hidden, options.Model.Layers, options.Model.Bidirectional, RnnBatchNorm: false, Classes);
        var model = new DeepSpeech2(architecture, Engine, seed: 0);
        foreach (Parameter parameter in model.Parameters.Parameters)
            golden.ReadInto($"initial.{parameter.Name}", parameter.Values);
        foreach ((string name, Tensor values) in model.Parameters.Statistics)
            golden.ReadInto($"initial.{name}", values);
        return model;
    }

    private static void AssertValidLogits(SafetensorsFile golden, Sequence logits)
    {
        Assert.That(logits.Values.Shape, Is.EqualTo(ShapeOf(golden, "logits")));
        float[] expected = golden.Read<float>("logits");
        float[] actual = logits.Values.ToArray();
        int[] valid = golden.Read<int>("output_frames");
        double worst = 0;
        for (int row = 0; row < expected.Length / Classes; row++)
        {
            if (row / valid.Length >= valid[row % valid.Length])
                continue;
            for (int i = row * Classes; i < (row + 1) * Classes; i++)
                worst = Math.Max(worst, Math.Abs(actual[i] - expected[i]));
        }

        // Logits are of size 1.
        Assert.That(worst, Is.LessThan(Tolerances.GoldenCurve), "logits");
    }

    /// <summary>Holds each tensor's error against its own size, as a norm: small elements carry the rounding of the large.</summary>
    private static void AssertClose(SafetensorsFile golden, string prefix, IEnumerable<(string Name, Tensor Values)> tensors)
    {
        foreach ((string name, Tensor values) in tensors)
        {
            float[] expected = golden.Read<float>($"{prefix}.{name}");
            float[] actual = values.ToArray();
            double error = Math.Sqrt(actual.Zip(expected, (a, e) => Math.Pow((double)a - e, 2)).Sum());
            double size = Math.Sqrt(expected.Sum(e => (double)e * e));

            // A gradient that is zero but for rounding (a bias that batch normalisation removes) has no size of its own.
            Assert.That(error, Is.LessThan(Tolerances.GoldenCurve * Math.Max(size, 1)), $"{prefix}.{name}");
        }
    }

    private static int[][] Texts(SafetensorsFile golden)
    {
        int[] labels = golden.Read<int>("labels");
        int begin = 0;
        return [.. golden.Read<int>("label_lengths").Select(length => labels[begin..(begin += length)])];
    }

    private static Shape ShapeOf(SafetensorsFile golden, string name) =>
        new([.. golden.Header.Tensors.Single(tensor => tensor.Name == name).Shape]);
}
