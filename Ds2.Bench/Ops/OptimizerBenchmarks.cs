using BenchmarkDotNet.Attributes;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Ops;

/// <summary>The gradient norm and the optimisers over as many parameters as the model has; Muon over the recurrent weights of a layer's direction.</summary>
public class OptimizerBenchmarks : OpBenchmark
{
    private GradientNorm norm = null!;
    private Sgd sgd = null!;
    private AdamW adamW = null!;
    private Muon muon = null!;
    private Tensor parameters = null!, gradients = null!, first = null!, second = null!, clip = null!;

    private Shape All => new(Model == ModelSize.Full ? 103_841_568 : 1_073_120);

    private MuonShape Gates => new(3, Hidden, Hidden);

    internal override Bound BoundOf(string method) => method == nameof(Muon) ? Bound.Arithmetic : method == nameof(Norm) ? Bound.Reading : Bound.Copying;

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

    /// <summary>Muon.</summary>
    [Benchmark]
    public void Muon()
    {
        Tensor Of(Tensor all) => all.Slice(0, Gates.Shape);
        muon.Step(new MuonOptions(1e-6f), Gates, clip, [new MuonTensors(Of(gradients), Of(parameters), Of(first))], Workspace);
        Engine.Synchronize();
    }

    // Reads and writes: the gradient; that, parameters and velocity in and out; and another moment. Muon's products: three in each iteration, of two of which half is needed.
    internal override double Work(string method) =>
        method == nameof(Muon) ? Gates.Count * Kernels.Ops.Muon.Polynomials.Count * 2 * 2.0 * Hidden * Hidden * Hidden : 4.0 * All.Length * (method == nameof(Norm) ? 1 : method == nameof(Sgd) ? 5 : 7);

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Prepare()
    {
        norm = GradientNorm.On(Engine);
        sgd = Kernels.Ops.Sgd.On(Engine);
        adamW = Kernels.Ops.AdamW.On(Engine);
        muon = Kernels.Ops.Muon.On(Engine);
        parameters = Random(All);
        gradients = Random(All);
        first = Zero(All);
        second = Zero(All);
        clip = Zero(new Shape(2));
        Workspace.Reserve(Math.Max(norm.WorkspaceFor(All.Length), muon.WorkspaceFor(Gates)));
        Norm();
        Sgd();
        AdamW();
        Muon();
        return [parameters, first, second, clip];
    }
}
