using BenchmarkDotNet.Attributes;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Ops;

/// <summary>The gradient norm and both optimisers over as many parameters as the model has.</summary>
public class OptimizerBenchmarks : OpBenchmark
{
    private GradientNorm norm = null!;
    private Sgd sgd = null!;
    private AdamW adamW = null!;
    private Tensor parameters = null!, gradients = null!, first = null!, second = null!, clip = null!;

    private Shape All => new(Model == ModelSize.Full ? 103_841_568 : 1_073_120);

    internal override Bound BoundOf(string method) => method == nameof(Norm) ? Bound.Reading : Bound.Copying;

    /// <summary>The global norm.</summary>
    [Benchmark]
    public void Norm()
    {
        norm.Compute(gradients, 400, clip, Workspace);
        Engine.Synchronize();
    }

    /// <summary>SGD with Nesterov momentum.</summary>
    [Benchmark]
    public void Sgd()
    {
        sgd.Step(new SgdOptions(1e-6f, 0.9f, Nesterov: true), clip, gradients, parameters, first);
        Engine.Synchronize();
    }

    /// <summary>AdamW.</summary>
    [Benchmark]
    public void AdamW()
    {
        adamW.Step(new AdamWOptions(1e-6f), 1000, clip, gradients, parameters, first, second);
        Engine.Synchronize();
    }

    // Reads and writes: the gradient; that, parameters and velocity in and out; and another moment.
    internal override double Work(string method) => 4.0 * All.Length * (method == nameof(Norm) ? 1 : method == nameof(Sgd) ? 5 : 7);

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Prepare()
    {
        norm = GradientNorm.On(Engine);
        sgd = Kernels.Ops.Sgd.On(Engine);
        adamW = Kernels.Ops.AdamW.On(Engine);
        parameters = Random(All);
        gradients = Random(All);
        first = Zero(All);
        second = Zero(All);
        clip = Zero(new Shape(2));
        Workspace.Reserve(norm.WorkspaceFor(All.Length));
        Norm();
        Sgd();
        AdamW();
        return [parameters, first, second, clip];
    }
}
