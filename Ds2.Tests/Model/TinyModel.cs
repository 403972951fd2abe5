using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Tests.Model;

/// <summary>A DeepSpeech2 small enough for every engine, and a batch with utterances of different length for it.</summary>
internal sealed class TinyModel : IDisposable
{
    /// <summary>Thirteen rows: the convolutions pad in frequency, and stay small.</summary>
    public const int Rows = 13;

    private const int Blank = 0;
    private const int Classes = 7;

    private readonly CtcCriterion criterion;

    public TinyModel(IEngine engine, bool bidirectional = true, bool rnnBatchNorm = true, int layers = 2, int seed = 3, double dropout = 0, int padFrames = 0)
    {
        Model = new DeepSpeech2(new Architecture(Rows, 2, 5, layers, bidirectional, rnnBatchNorm, Classes, PadFrames: padFrames), engine, seed);
        Pass = Model.NewPass(dropout);
        criterion = new CtcCriterion(engine, Blank, Model.Workspace);
        Features = engine.Allocate(new Shape(Frames.Length, 1, Rows, Frames.Max()));
        Features.CopyFrom(RandomFeatures(padding: 0));
    }

    public static int[] Frames => [47, 38, 43];

    public static int[][] Texts => [[1, 2, 2, 6], [5], [3, 4, 1]];

    public DeepSpeech2 Model { get; }

    public ModelPass Pass { get; }

    public Tensor Features { get; }

    /// <summary>Random features, zero (or another value) where an utterance has ended.</summary>
    public static float[] RandomFeatures(float padding)
    {
        int longest = Frames.Max();
        var random = new Random(11);
        var features = new float[Frames.Length * Rows * longest];
        for (int i = 0; i < features.Length; i++)
        {
            float value = (float)(2 * random.NextDouble() - 1);
            features[i] = i % longest < Frames[i / (Rows * longest)] ? value : padding;
        }

        return features;
    }

    /// <summary>The loss of the batch in training mode, and the gradients of all parameters.</summary>
    public double LossAndGradients()
    {
        Model.Parameters.BeginStep();
        double loss = Loss();
        Pass.Backward(criterion.Backward());
        return loss;
    }

    /// <summary>The loss of the batch in training mode.</summary>
    public double Loss()
    {
        criterion.Forward(Pass.Forward(Features, Frames, training: true, dropoutKey: 9), Texts);
        Model.Engine.Synchronize();
        return criterion.Losses().Mean;
    }

    public void Dispose()
    {
        criterion.Dispose();
        Features.Dispose();
        Pass.Dispose();
        Model.Dispose();
    }
}
