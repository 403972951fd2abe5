using Ds2.Runtime.Data;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Step;

/// <summary>A model and a batch of random input to train it with.</summary>
internal sealed class TrainingStep : IDisposable
{
    private readonly DeepSpeech2 model;
    private readonly Optimizer optimizer;
    private readonly CtcCriterion criterion;
    private readonly Tensor features;
    private readonly int[] counts;
    private readonly int[][] texts;

    /// <summary>Makes all of it; the engine stays the caller's.</summary>
    /// <param name="options">The model and the optimiser.</param>
    /// <param name="engine">Where it runs.</param>
    /// <param name="batch">Utterances.</param>
    /// <param name="frames">Feature frames of each.</param>
    /// <param name="labels">Labels of each text.</param>
    public TrainingStep(RunOptions options, IEngine engine, int batch, int frames, int labels)
    {
        int rows = new FeatureExtractor(options.Features).Rows;
        model = new DeepSpeech2(options.ModelFor(rows, Alphabet.English.Size), engine, options.Seed);
        optimizer = Optimizer.Create(options, model.Parameters, model.Workspace);
        criterion = new CtcCriterion(engine, Alphabet.English.Blank, model.Workspace);
        features = engine.Allocate(new Shape(batch, 1, rows, frames));
        var random = new Random(1);
        features.CopyFrom([.. Enumerable.Range(0, features.Length).Select(_ => (float)(2 * random.NextDouble() - 1))]);
        counts = [.. Enumerable.Repeat(frames, batch)];
        texts = [.. Enumerable.Range(0, batch).Select(_ => Enumerable.Range(0, labels).Select(_ => random.Next(1, Alphabet.English.Size)).ToArray())];
    }

    /// <summary>Trained values.</summary>
    public long Parameters => model.Parameters.Count;

    /// <summary>The gradient norm of the last step that the engine was waited for.</summary>
    public double LastGradientNorm => optimizer.LastGradientNorm;

    /// <summary>Queues a step: forward, loss, backward, update.</summary>
    /// <param name="step">Its number, from 1.</param>
    /// <param name="lap">Called after each of the four.</param>
    public void Run(int step, Action? lap = null)
    {
        Sequence logits = model.Forward(features, counts, training: true);
        lap?.Invoke();
        criterion.Forward(logits, texts);
        Tensor dLogits = criterion.Backward();
        lap?.Invoke();
        model.Parameters.ZeroGradients();
        model.Backward(dLogits);
        lap?.Invoke();
        optimizer.Step(step, 1e-6);
        lap?.Invoke();
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        features.Dispose();
        criterion.Dispose();
        optimizer.Dispose();
        model.Dispose();
    }
}
