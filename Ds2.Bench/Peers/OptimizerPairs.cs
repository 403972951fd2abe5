using Ds2.Bench.Step;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;
using TorchSharp;

namespace Ds2.Bench.Peers;

/// <summary>Gradient norm, SGD and AdamW over all parameters of the model: one block to us, a list of tensors to libtorch.</summary>
internal static class OptimizerPairs
{
    private const float LearningRate = 0.1f; // an update as large as the parameters, so that a wrong one shows

    /// <summary>The three.</summary>
    public static IEnumerable<Pair> Create(Numbers numbers, StepOptions options)
    {
        TrainingStep step = numbers.Own(new TrainingStep(options with { Batch = 1 }, numbers.Engine));
        ParameterSet set = step.Model.Parameters;
        GradientNorm norm = GradientNorm.On(numbers.Engine);
        Sgd sgd = Sgd.On(numbers.Engine);
        AdamW adamW = AdamW.On(numbers.Engine);
        var all = new Shape(set.Values.Length);
        foreach (Parameter parameter in set.Parameters)
            parameter.Gradient.CopyFrom([.. parameter.Values.ToArray().Select(value => value + 0.01f)]);
        Tensor first = numbers.Zero(all), second = numbers.Zero(all), clip = numbers.Zero(new Shape(2)), clipNorm = clip.Slice(0, new Shape(1));
        numbers.Workspace.Reserve(norm.WorkspaceFor(all.Length));
        Norm();
        List<TorchSharp.Modules.Parameter> theirs = [.. set.Parameters.Select(parameter => WithGradient(numbers, parameter))];
        torch.Tensor? theirNorm = null;
        string size = $"{set.Count:N0} parameters";
        yield return new Pair(
            "Gradient norm", size, new Side(Norm),
            new Side(() => theirNorm = torch.stack(theirs.Select(parameter => parameter.grad!.norm())).norm()), () => [(clipNorm, theirNorm!)]);

        using (TorchSharp.Modules.SGD optimizer = torch.optim.SGD(theirs, LearningRate, momentum: 0.9, nesterov: true))
        {
            yield return new Pair(
                "Sgd", size, new Side(() => sgd.Step(new SgdOptions(LearningRate, 0.9f, Nesterov: true), clip, set.Gradients, set.Values, first)),
                new Side(() => optimizer.step()), Values);
        }

        // Each has made as many steps as it was timed for: AdamW starts from the same parameters again.
        using (torch.no_grad())
        {
            foreach ((TorchSharp.Modules.Parameter their, Parameter our) in theirs.Zip(set.Parameters))
                their.copy_(numbers.Copy(our.Values));
        }

        first.Fill(0);
        int steps = 0;
        using (TorchSharp.Modules.AdamW optimizer = torch.optim.AdamW(theirs, LearningRate, weight_decay: 0.01))
        {
            yield return new Pair(
                "AdamW", size,
                new Side(() => adamW.Step(new AdamWOptions(LearningRate, WeightDecay: 0.01f), ++steps, clip, set.Gradients, set.Values, first, second)),
                new Side(() => optimizer.step()), Values);
        }

        void Norm() => norm.Compute(set.Gradients, float.PositiveInfinity, clip, numbers.Workspace);
        IEnumerable<(Tensor, torch.Tensor)> Values() => set.Parameters.Select(parameter => parameter.Values).Zip<Tensor, torch.Tensor>(theirs);
    }

    private static TorchSharp.Modules.Parameter WithGradient(Numbers numbers, Parameter parameter)
    {
        var theirs = new TorchSharp.Modules.Parameter(numbers.Copy(parameter.Values)) { grad = numbers.Copy(parameter.Gradient) };
        return numbers.Own(theirs);
    }
}
