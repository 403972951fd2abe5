using Ds2.Runtime;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Step;

/// <summary>A model and a batch of random input to train it with.</summary>
internal sealed class TrainingStep : IDisposable
{
    /// <summary>So small that the steps of a measurement are all alike.</summary>
    public const double LearningRate = 1e-6;

    private readonly ModelPass pass;
    private readonly Optimizer optimizer;
    private readonly CtcCriterion criterion;
    private readonly int[] counts;

    /// <summary>Makes all of it; the engine stays the caller's.</summary>
    /// <param name="options">The model, the optimiser and the batch's sizes.</param>
    /// <param name="engine">Where it runs.</param>
    /// <exception cref="InputException">The utterances are too short for the model.</exception>
    public TrainingStep(StepOptions options, IEngine engine)
    {
        (RunOptions run, int batch, int frames, int labels, _, _) = options;
        int rows = new FeatureExtractor(run.Model.Features).Rows;
        Model = new DeepSpeech2(run.Model.ArchitectureFor(Alphabet.English), engine, run.Training.Seed);
        if (frames < Model.MinimumFrames)
            throw new InputException($"--frames {frames}: the model needs at least {Model.MinimumFrames}");
        pass = Model.NewPass();
        optimizer = Optimizer.Create(run.Training, Model.Parameters, Model.Workspace);
        criterion = new CtcCriterion(engine, Alphabet.English.Blank, Model.Workspace);
        Features = engine.Allocate(new Shape(batch, 1, rows, frames));
        var random = new Random(1);
        Features.CopyFrom([.. Enumerable.Range(0, Features.Length).Select(_ => (float)(2 * random.NextDouble() - 1))]);
        counts = [.. Enumerable.Repeat(frames, batch)];
        Texts = [.. Enumerable.Range(0, batch).Select(_ => Enumerable.Range(0, labels).Select(_ => random.Next(1, Alphabet.English.Size)).ToArray())];
    }

    /// <summary>The model.</summary>
    public DeepSpeech2 Model { get; }

    /// <summary>The input, [N, 1, F, T].</summary>
    public Tensor Features { get; }

    /// <summary>The texts, as labels.</summary>
    public int[][] Texts { get; }

    /// <summary>The mean loss of the last step that the engine was waited for.</summary>
    public double LastLoss => criterion.Losses().Mean;

    /// <summary>The gradient norm of the last step that the engine was waited for.</summary>
    public double LastGradientNorm => optimizer.LastGradientNorm;

    /// <summary>Queues a step: forward, loss, backward, update.</summary>
    /// <param name="step">Its number, from 1.</param>
    /// <param name="lap">Called after each of the four.</param>
    public void Run(int step, Action? lap = null)
    {
        Model.Parameters.BeginStep();
        Sequence logits = pass.Forward(Features, counts, training: true);
        lap?.Invoke();
        criterion.Forward(logits, Texts);
        Tensor dLogits = criterion.Backward();
        lap?.Invoke();
        pass.Backward(dLogits);
        lap?.Invoke();
        optimizer.Step(step, LearningRate);
        lap?.Invoke();
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        Features.Dispose();
        criterion.Dispose();
        optimizer.Dispose();
        pass.Dispose();
        Model.Dispose();
    }
}
