using Ds2.Runtime.Training;
using Ds2.Tests.Engines;

namespace Ds2.Tests.Model;

/// <summary>A batch with a NaN, on every engine: parameters, optimiser state and running statistics keep their bits.</summary>
[TestFixtureSource(typeof(TestEngines), nameof(TestEngines.Names))]
public sealed class NonFiniteStepTests(string engineName)
{
    [Test]
    public void Step_NaNInTheFeatures_ChangesNothing()
    {
        if (engineName == "emulated")
            Assert.Ignore("a step takes ILGPU's emulated device ten seconds; RollbackTests, SgdTests and GradientNormTests run there");
        using var tiny = new TinyModel(TestEngines.Get(engineName), bidirectional: false, layers: 1);
        using var optimizer = Optimizer.Create(new TrainingOptions { Lr = 1e-2 }, tiny.Model.Parameters, tiny.Model.Workspace);
        float[] sound = TinyModel.RandomFeatures(padding: 0), broken = [.. sound];
        broken[20] = float.NaN;

        Assert.That(Step(sound), Is.True, "a step that counts, so that the state is none of zeros");
        float[][] before = Everything();
        Assert.That(Step(broken), Is.False);
        Assert.That(Everything(), Is.EqualTo(before));
        Assert.That(before, Is.All.All.Matches<float>(float.IsFinite));

        bool Step(float[] features)
        {
            tiny.Features.CopyFrom(features);
            tiny.LossAndGradients();
            optimizer.Step(1, 1e-2);
            tiny.Model.Engine.Synchronize();
            return double.IsFinite(optimizer.LastGradientNorm);
        }

        float[][] Everything() =>
        [
            tiny.Model.Parameters.Values.ToArray(), .. optimizer.States.Select(state => state.State.ToArray()),
            .. tiny.Model.Parameters.Statistics.Select(statistic => statistic.Values.ToArray()),
        ];
    }
}
