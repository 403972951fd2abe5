using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>When a training step on a P100 has what another rank needs, and needs what another rank has. An estimate, as <see cref="StepEstimate"/> is.</summary>
/// <param name="Layers">The layers, from features to logits.</param>
/// <param name="OtherSeconds">The loss, and zeroing the gradients.</param>
/// <param name="UpdateSeconds">The gradient norm and the optimiser's update, of all parameters.</param>
/// <param name="AdditionSeconds">Adding another rank's gradients, of all parameters.</param>
internal sealed record StepTimes(IReadOnlyList<LayerTime> Layers, double OtherSeconds, double UpdateSeconds, double AdditionSeconds)
{
    /// <summary>The parameters' bytes, and the gradients'.</summary>
    public double Bytes => Layers.Sum(layer => layer.Bytes);

    /// <summary>The step without the update.</summary>
    public double ComputeSeconds => OtherSeconds + Layers.Sum(layer => layer.ForwardSeconds + layer.BackwardSeconds);

    /// <summary>Records a step's launches, then each layer's, and adds up what they should take.</summary>
    /// <param name="options">The model and the optimiser.</param>
    /// <param name="batch">Utterances.</param>
    /// <param name="frames">Feature frames of each.</param>
    /// <param name="labels">Labels of each text.</param>
    /// <param name="kernels">All kernels, compiled and disassembled for a P100.</param>
    public static StepTimes Of(RunOptions options, int batch, int frames, int labels, IReadOnlyList<CompiledKernel> kernels)
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        using var step = new TrainingStep(new StepOptions(options, batch, frames, labels, Steps: 1, Threads: 0), engine);
        step.Run(1);
        engine.Synchronize();
        launches.Clear();
        var phases = new List<double>();
        step.Run(2, () => phases.Add(Taken()));
        IReadOnlyList<LayerTime> layers = EachLayer(step.Model, step.Features, Taken);
        Tensor gradients = step.Model.Parameters.Gradients;
        Addition.On(engine).Add(step.Model.Parameters.Values, gradients, gradients);
        double addition = Taken();
        return new StepTimes(layers, phases.SkipLast(1).Sum() - layers.Sum(layer => layer.ForwardSeconds + layer.BackwardSeconds), phases[^1], addition);

        // Of the launches since it was asked last.
        double Taken()
        {
            double seconds = LaunchTimes.Of(launches, kernels).Sum(time => time.EstimatedSeconds);
            launches.Clear();
            return seconds;
        }
    }

    /// <summary>The layers one by one, as a pass calls them.</summary>
    private static IReadOnlyList<LayerTime> EachLayer(DeepSpeech2 model, Tensor features, Func<double> taken)
    {
        ILayerPass[] passes = [.. model.Layers.Select(layer => layer.Layer.NewPass())];
        double[] forward = new double[passes.Length], backward = new double[passes.Length];
        using var counts = new FrameCounts(model.Engine);
        counts.Set([.. Enumerable.Repeat(features.Shape[3], features.Shape[0])]);
        // The first round also takes memory.
        for (int round = 0; round < 2; round++)
        {
            var sequence = new Sequence(features, counts);
            taken();
            for (int i = 0; i < passes.Length; i++)
            {
                sequence = passes[i].Forward(sequence, training: true);
                forward[i] = taken();
            }

            using Tensor dLogits = model.Engine.Allocate(sequence.Values.Shape);
            Tensor? gradient = dLogits;
            for (int i = passes.Length - 1; i >= 0; i--)
            {
                gradient = passes[i].Backward(gradient!);
                backward[i] = taken();
            }
        }

        foreach (ILayerPass pass in passes)
            pass.Dispose();
        return
        [
            .. model.Layers.Select((layer, i) => new LayerTime(
                layer.Name, sizeof(float) * layer.Layer.Parameters.Sum(parameter => (double)parameter.Shape.Length), forward[i], backward[i])),
        ];
    }
}

/// <summary>A layer of a step.</summary>
/// <param name="Name">The prefix of its parameters' names; empty where it has none.</param>
/// <param name="Bytes">Its parameters' bytes, and its gradients'.</param>
/// <param name="ForwardSeconds">Its forward pass.</param>
/// <param name="BackwardSeconds">Its backward pass.</param>
internal sealed record LayerTime(string Name, double Bytes, double ForwardSeconds, double BackwardSeconds);
