using Ds2.Bench.Step;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Training;
using TorchSharp;
using static TorchSharp.torch.nn;

namespace Ds2.Bench.Peers;

/// <summary>The training step in libtorch, from the same parameters on the same batch as <see cref="TrainingStep"/>.</summary>
internal sealed class TorchStep : IDisposable
{
    private readonly TrainingOptions options;
    private readonly TorchModel model;
    private readonly TorchOptimizer optimizer;
    private readonly torch.Tensor features;
    private readonly TorchTexts texts;
    private readonly int batch;

    /// <summary>Copies what the step starts from; nothing of ours is needed afterwards.</summary>
    public TorchStep(StepOptions options, TrainingStep ours)
    {
        this.options = options.Run.Training;
        batch = options.Batch;
        model = new TorchModel(ours.Model.Architecture);
        model.CopyFrom(ours.Model.Parameters);
        features = torch.tensor(ours.Features.ToArray(), [batch, 1, ours.Features.Shape[2], ours.Features.Shape[3]]);
        texts = new TorchTexts(ours.Texts, model.OutputFrames(options.Frames));
        optimizer = new TorchOptimizer(this.options, model.Parameters, ours.Model.Parameters);
    }

    /// <summary>The mean loss of the last step.</summary>
    public double LastLoss { get; private set; }

    /// <summary>The gradient norm of the last step, before clipping.</summary>
    public double LastGradientNorm { get; private set; }

    /// <summary>A step: forward, loss, backward, update.</summary>
    /// <param name="lap">Called after each of the four.</param>
    public void Run(Action? lap = null)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor logits = model.call(features);
        lap?.Invoke();
        torch.Tensor loss = texts.Loss(functional.log_softmax(logits, 2), Reduction.Sum) / batch;
        LastLoss = loss.item<float>();
        lap?.Invoke();
        model.zero_grad();
        loss.backward();
        lap?.Invoke();
        LastGradientNorm = utils.clip_grad_norm_(model.parameters(), options.MaxNorm);
        optimizer.Step(TrainingStep.LearningRate);
        lap?.Invoke();
    }

    /// <summary>||our gradient - libtorch's|| / ||libtorch's||, after both have made the first step.</summary>
    public double GradientDifference(ParameterSet ours)
    {
        // libtorch scales the gradients themselves, our optimiser scales as it reads them.
        return model.GradientDifference(ours, Math.Min(1, options.MaxNorm / (LastGradientNorm + 1e-6)));
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        optimizer.Dispose();
        model.Dispose();
        features.Dispose();
        texts.Dispose();
    }
}
