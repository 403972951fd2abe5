using Ds2.Kernels.Ops;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Peers.Training;

/// <summary>Our side.</summary>
internal sealed class Ds2Learner : ILearner
{
    private readonly IEngine engine;
    private readonly ModelPass pass;
    private readonly Optimizer optimizer;
    private readonly CtcCriterion criterion;
    private readonly Recognizer recognizer;
    private readonly GrowingTensor features;

    /// <summary>A model with the initial values of the run's seed; the engine stays the caller's.</summary>
    public Ds2Learner(RunOptions options, IEngine engine)
    {
        this.engine = engine;
        Model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, options.Training.Seed);
        pass = Model.NewPass(options.Training.Dropout);
        optimizer = Optimizer.Create(options.Training, Model.Parameters, Model.Workspace);
        criterion = new CtcCriterion(engine, Alphabet.English.Blank, Model.Workspace);
        recognizer = new Recognizer(Model, new GreedyDecoder(Alphabet.English), pass);
        features = new GrowingTensor(engine);
    }

    /// <summary>The model.</summary>
    public DeepSpeech2 Model { get; }

    /// <summary>Takes the memory for the largest batches, as a training run does before its first step.</summary>
    public void Reserve(BatchLoader training, BatchLoader validation)
    {
        foreach (BatchSize size in training.Largest.Where(size => Model.OutputFrames(size.Frames) > 0))
        {
            features.Reserve(size.Utterances * Model.Architecture.InputRows * size.Frames);
            pass.Reserve(size.Utterances, size.Frames, training: true);
            criterion.Reserve(new CtcShape(Model.OutputFrames(size.Frames), size.Utterances, Model.Architecture.Classes, size.Labels, Alphabet.English.Blank));
        }

        foreach (BatchSize size in validation.Largest)
            recognizer.Reserve(size);
    }

    /// <inheritdoc/>
    public double Train(Batch batch, int step, double learningRate)
    {
        double loss = Differentiate(batch, dropoutKey: (uint)step * 0x9E3779B9);
        optimizer.Step(step, learningRate);
        engine.Synchronize();
        return loss;
    }

    /// <summary>The first half of a step: the parameters have their gradients, and the running statistics have moved.</summary>
    /// <returns>The batch's mean loss.</returns>
    public double Differentiate(Batch batch, uint dropoutKey)
    {
        Tensor x = features.As(new Shape(batch.Utterances.Count, 1, batch.Rows, batch.MaxFrames));
        x.CopyFrom(batch.Features.Span);
        Model.Parameters.BeginStep();
        Sequence logits = pass.Forward(x, batch.Frames, training: true, dropoutKey);
        criterion.Forward(logits, [.. batch.Utterances.Select(utterance => utterance.Labels)]);
        pass.Backward(criterion.Backward());
        engine.Synchronize();
        return criterion.Losses().Mean;
    }

    /// <inheritdoc/>
    public BatchLogits Hear(Batch batch) => recognizer.Hear(batch.Features.Span, batch.Frames, batch.MaxFrames);

    /// <inheritdoc/>
    public void Dispose()
    {
        features.Dispose();
        recognizer.Dispose();
        criterion.Dispose();
        optimizer.Dispose();
        pass.Dispose();
        Model.Dispose();
    }
}
