using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;
using TorchSharp;
using static TorchSharp.torch.nn;

namespace Ds2.Bench.Peers.Training;

/// <summary>libtorch's side, written as its users write it.</summary>
internal sealed class TorchLearner : ILearner
{
    private readonly TrainingOptions options;
    private readonly TorchOptimizer optimizer;

    /// <summary>A model with the present parameters of ours, which is not needed afterwards.</summary>
    public TorchLearner(TrainingOptions options, DeepSpeech2 ours)
    {
        this.options = options;
        Model = new TorchModel(ours.Architecture, options.Dropout);
        Model.CopyFrom(ours.Parameters);
        optimizer = new TorchOptimizer(options, Model.Parameters, ours.Parameters);
    }

    /// <summary>The model.</summary>
    public TorchModel Model { get; }

    /// <inheritdoc/>
    public double Train(Batch batch, int step, double learningRate)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        double loss = Differentiate(batch);
        utils.clip_grad_norm_(Model.parameters(), options.MaxNorm);
        optimizer.Step(learningRate);
        return loss;
    }

    /// <summary>The first half of a step: the parameters have their gradients, and the running statistics have moved.</summary>
    /// <returns>The batch's mean loss.</returns>
    public double Differentiate(Batch batch)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        Model.train();
        torch.Tensor logits = Model.Forward(FeaturesOf(batch), batch.Frames);
        using var texts = new TorchTexts([.. batch.Utterances.Select(utterance => utterance.Labels)], OutputFramesOf(batch));
        torch.Tensor loss = texts.Loss(functional.log_softmax(logits, 2), Reduction.Sum) / batch.Utterances.Count;
        Model.zero_grad();
        loss.backward();
        return loss.item<float>();
    }

    /// <inheritdoc/>
    public BatchLogits Hear(Batch batch)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        using IDisposable noGradients = torch.no_grad();
        Model.eval();
        torch.Tensor logits = Model.Forward(FeaturesOf(batch), batch.Frames).contiguous();
        return new BatchLogits(logits.data<float>().ToArray(), (int)logits.shape[0], OutputFramesOf(batch));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        optimizer.Dispose();
        Model.Dispose();
    }

    private int[] OutputFramesOf(Batch batch) => [.. batch.Frames.Select(Model.OutputFrames)];

    private static torch.Tensor FeaturesOf(Batch batch) => torch.tensor(batch.Features.ToArray(), [batch.Utterances.Count, 1, batch.Rows, batch.MaxFrames]);
}
