using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Training;
using Ds2.Tests.Model;
using Ds2.Tests.Ops;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Training;

/// <summary>Which parameters an optimiser updates how; the steps themselves are tested with the ops.</summary>
public sealed class OptimizerTests
{
    private static readonly TrainingOptions Options = new() { Optimizer = OptimizerKind.Muon, Momentum = 0.9, WeightDecay = 0.1, MaxNorm = 0.5, Beta2 = 0.98 };

    [Test]
    public void Muon_TakesTheMatricesOfGrusAndConvolutions_AdamWTheRest_AndLeavesWhatIsFrozen()
    {
        const float rate = 0.01f;
        using var engine = new HostEngine(threads: 1);
        using var tiny = new TinyModel(engine);
        tiny.Model.Freeze(["conv.0"]);
        ParameterSet parameters = tiny.Model.Parameters;
        using var optimizer = Optimizer.Create(Options, parameters, tiny.Model.Workspace);
        var expected = parameters.Parameters.ToDictionary(parameter => parameter.Name, parameter => (Values: parameter.Values.ToDouble(), First: new double[parameter.Shape.Length], Second: new double[parameter.Shape.Length]));
        for (int step = 1; step <= 2; step++)
        {
            tiny.LossAndGradients();
            Dictionary<string, double[]> gradients = parameters.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.IsFrozen ? new double[parameter.Shape.Length] : parameter.Gradient.ToDouble());
            double factor = OptimiserReference.GradientNorm([.. gradients.Values.SelectMany(values => values)], Options.MaxNorm).Factor;
            optimizer.Step(step, rate);
            foreach (Parameter parameter in parameters.Parameters.Where(parameter => !parameter.IsFrozen))
            {
                (double[] values, double[] first, double[] second) = expected[parameter.Name];
                if (parameter.Matrices is { } matrices)
                    OptimiserReference.Muon(new MuonOptions(rate, 0.9f, 0.1f), matrices, factor, gradients[parameter.Name], values, first);
                else
                    OptimiserReference.AdamW(new AdamWOptions(rate, Beta2: 0.98f, WeightDecay: 0.1f), step, factor, gradients[parameter.Name], values, first, second);
            }
        }

        Assert.That(parameters.Parameters.Where(parameter => parameter.Matrices is not null).Select(parameter => parameter.Name), Is.EquivalentTo(parameters.Parameters
            .Where(parameter => parameter.Name.StartsWith("conv", StringComparison.Ordinal) && parameter.Shape.Rank == 4 || parameter.Name.Contains(".rnn.weight", StringComparison.Ordinal)).Select(parameter => parameter.Name)));
        Assert.That(parameters.Parameters.Count(parameter => parameter.IsFrozen), Is.GreaterThan(0));
        foreach (Parameter parameter in parameters.Parameters)
        {
            Compare.Close(parameter.Values, expected[parameter.Name].Values, Tolerances.Orthogonalized(2), parameter.Name);
            Compare.Close(StateOf("exp_avg", parameter), expected[parameter.Name].First, Tolerances.Optimiser(8), $"first moment of {parameter.Name}");
            Compare.Close(StateOf("exp_avg_sq", parameter), expected[parameter.Name].Second, Tolerances.Optimiser(8), $"second moment of {parameter.Name}");
        }

        double[] StateOf(string name, Parameter parameter) => parameters.WindowOf(parameter, optimizer.States.Single(state => state.Name == name).State).ToDouble();
    }
}
