using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Training;
using TorchSharp;

namespace Ds2.Bench.Peers;

/// <summary>libtorch's optimiser for a model: its own SGD or AdamW, and Muon, which TorchSharp does not have, as its authors write it.</summary>
internal sealed class TorchOptimizer : IDisposable
{
    private readonly torch.optim.Optimizer optimizer;
    private readonly List<Matrices> matrices = [];
    private readonly TrainingOptions options;

    /// <summary>An optimiser of all parameters.</summary>
    /// <param name="options">Which one.</param>
    /// <param name="theirs">The parameters, by name.</param>
    /// <param name="ours">Ours, which know what is a matrix; not needed afterwards.</param>
    public TorchOptimizer(TrainingOptions options, IReadOnlyDictionary<string, TorchSharp.Modules.Parameter> theirs, ParameterSet ours)
    {
        this.options = options;
        Parameter[] apart = options.Optimizer == OptimizerKind.Muon ? [.. ours.Parameters.Where(parameter => parameter.Matrices is not null)] : [];
        matrices.AddRange(apart.Select(parameter => new Matrices(theirs[parameter.Name], parameter.Matrices!.Value, torch.zeros_like(theirs[parameter.Name]))));
        TorchSharp.Modules.Parameter[] others = [.. theirs.Where(parameter => !apart.Any(matrix => matrix.Name == parameter.Key)).Select(parameter => parameter.Value)];
        optimizer = options.Optimizer == OptimizerKind.Sgd
            ? torch.optim.SGD(others, options.Lr, options.Momentum, weight_decay: options.WeightDecay, nesterov: options.Momentum > 0)
            : torch.optim.AdamW(others, options.Lr, beta2: options.Beta2, weight_decay: options.WeightDecay);
    }

    /// <summary>A step by the gradients that the parameters have, clipped already.</summary>
    public void Step(double learningRate)
    {
        foreach (torch.optim.ILearningRateController group in optimizer.ParamGroups)
            group.LearningRate = learningRate;
        optimizer.step();
        using IDisposable noGradients = torch.no_grad();
        foreach (Matrices each in matrices)
            Step(each, learningRate);
    }

    /// <summary>Gives the memory back; the model stays.</summary>
    public void Dispose()
    {
        optimizer.Dispose();
        foreach (Matrices each in matrices)
            each.Momentum.Dispose();
    }

    private void Step(Matrices each, double learningRate)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        MuonShape shape = each.Shape;
        torch.Tensor gradient = each.Parameter.grad!, momentum = each.Momentum;
        momentum.mul_(options.Momentum).add_(gradient, 1 - options.Momentum);
        torch.Tensor x = (options.Momentum * momentum + (1 - options.Momentum) * gradient).view(shape.Count, shape.Rows, shape.Columns);
        if (shape.Rows > shape.Columns)
            x = x.transpose(1, 2);
        x = x / (x.square().sum([1, 2], keepdim: true).sqrt() + 1e-7f);
        foreach ((float a, float b, float c) in Muon.Polynomials)
        {
            torch.Tensor square = x.bmm(x.transpose(1, 2));
            x = a * x + (b * square + c * square.bmm(square)).bmm(x);
        }

        if (shape.Rows > shape.Columns)
            x = x.transpose(1, 2);
        each.Parameter.mul_(1 - learningRate * options.WeightDecay);
        each.Parameter.add_(x.reshape(each.Parameter.shape), -learningRate * 0.2 * Math.Sqrt(Math.Max(shape.Rows, shape.Columns)));
    }

    private sealed record Matrices(TorchSharp.Modules.Parameter Parameter, MuonShape Shape, torch.Tensor Momentum);
}
