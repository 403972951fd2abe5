using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;
using Ds2.Tests.Engines;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Model;

/// <summary>A recurrent layer that goes on where it ended, for recognition in pieces.</summary>
[TestFixtureSource(typeof(TestEngines), nameof(TestEngines.Names))]
public sealed class RecurrentLayerTests(string engineName)
{
    private const int Frames = 7, Utterances = 3, Features = 3, Hidden = 6;

    // The middle one ends within the second piece, the last is shorter than the first.
    private static readonly int[] Lengths = [7, 4, 1];

    private static float[] Sound => [.. Enumerable.Range(0, Frames * Utterances * Features).Select(i => MathF.Sin(i))];

    private IEngine Engine => TestEngines.Get(engineName);

    [Test]
    public void Continue_PieceByPiece_EqualsForwardOverTheWhole([Values] bool normalized, [Values] bool trains)
    {
        using var fixture = new Fixture(Engine, bidirectional: false, normalized, trains);
        float[] x = Sound;
        float[] whole = fixture.Pass.Forward(fixture.Piece(x, 0, Frames), training: false).Values.ToArray();
        using Tensor state = Engine.Allocate(new Shape(Utterances, Hidden));
        state.Fill(0);
        float[] pieces =
        [
            .. fixture.Pass.Continue(fixture.Piece(x, 0, 2), state).Values.ToArray(),
            .. fixture.Pass.Continue(fixture.Piece(x, 2, 5), state).Values.ToArray(),
            .. fixture.Pass.Continue(fixture.Piece(x, 5, Frames), state).Values.ToArray(),
        ];
        Compare.BitEqual(pieces, whole, "the output in three pieces");
        float[] last = [.. Lengths.SelectMany((length, n) => whole[(((length - 1) * Utterances + n) * Hidden)..(((length - 1) * Utterances + n + 1) * Hidden)])];
        Compare.BitEqual(state.ToArray(), last, "the state after the last piece");
    }

    [Test]
    public void Forward_ForInference_GivesTheBitsOfALayerThatTrains([Values] bool bidirectional)
    {
        using var inference = new Fixture(Engine, bidirectional, normalized: false, trains: false);
        using var training = new Fixture(Engine, bidirectional, normalized: false);
        Assert.That((inference.Layer.IsForInference, training.Layer.IsForInference), Is.EqualTo((true, false)));
        for (int call = 0; call < 2; call++)
            Compare.BitEqual(inference.Heard(Sound), training.Heard(Sound), $"call {call}");
    }

    /// <summary>The packed weights are kept from call to call, but not over a change: of one value, by a copy or a fill.</summary>
    [Test]
    public void Forward_ForInference_FollowsWrittenWeights()
    {
        using var inference = new Fixture(Engine, bidirectional: true, normalized: false, trains: false);
        using var training = new Fixture(Engine, bidirectional: true, normalized: false);
        inference.Heard(Sound);
        foreach (Fixture fixture in new[] { inference, training })
        {
            Tensor weight = fixture.Layer.Directions[1].RecurrentWeight.Values;
            float[] values = weight.ToArray();
            values[^1] += 1;
            weight.CopyFrom(values);
        }

        float[] changed = training.Heard(Sound);
        Compare.BitEqual(inference.Heard(Sound), changed, "after a copy");
        foreach (Fixture fixture in new[] { inference, training })
            fixture.Layer.Directions[0].RecurrentWeight.Values.Fill(0.25f);
        Assert.That(training.Heard(Sound), Is.Not.EqualTo(changed));
        Compare.BitEqual(inference.Heard(Sound), training.Heard(Sound), "after a fill");
    }

    /// <summary>An optimiser's step is seen by no counter: a layer that trains hears with the weights of the moment.</summary>
    [Test]
    public void Forward_OfALayerThatTrains_FollowsAnOptimisersStep()
    {
        using var training = new Fixture(Engine, bidirectional: true, normalized: false);
        using var inference = new Fixture(Engine, bidirectional: true, normalized: false, trains: false);
        float[] before = training.Heard(Sound);
        using Tensor clip = Engine.Allocate(new Shape(2)), velocity = Engine.Allocate(training.Parameters.Values.Shape);
        clip.CopyFrom([1, 1]);
        velocity.Fill(0);
        training.Parameters.Gradients.Fill(1);
        Sgd.On(Engine).Step(new SgdOptions(LearningRate: 0.1f), clip, training.Parameters.Gradients, training.Parameters.Values, velocity);
        inference.Parameters.Values.CopyFrom(training.Parameters.Values.ToArray());
        float[] after = training.Heard(Sound);
        Assert.That(after, Is.Not.EqualTo(before));
        Compare.BitEqual(after, inference.Heard(Sound), "after the step");
        Assert.That(() => training.Layer.PackedWeights(), Throws.InvalidOperationException);
    }

    [Test]
    public void Forward_AfterContinue_StartsWithZeros()
    {
        using var fixture = new Fixture(Engine, bidirectional: false, normalized: false);
        var x = new float[Frames * Utterances * Features];
        float[] once = fixture.Pass.Forward(fixture.Piece(x, 0, Frames), training: false).Values.ToArray();
        using Tensor state = Engine.Allocate(new Shape(Utterances, Hidden));
        state.Fill(0.5f);
        Assert.That(fixture.Pass.Continue(fixture.Piece(x, 0, Frames), state).Values.ToArray(), Is.Not.EqualTo(once));
        Compare.BitEqual(fixture.Pass.Forward(fixture.Piece(x, 0, Frames), training: false).Values.ToArray(), once, "the output from zeros");
    }

    [Test]
    public void Backward_AfterContinue_IsRefused()
    {
        using var fixture = new Fixture(Engine, bidirectional: false, normalized: false);
        using Tensor state = Engine.Allocate(new Shape(Utterances, Hidden)), dY = Engine.Allocate(new Shape(2, Utterances, Hidden));
        state.Fill(0);
        fixture.Pass.Continue(fixture.Piece(new float[2 * Utterances * Features], 0, 2), state);
        Assert.That(Assert.Throws<InvalidOperationException>(() => fixture.Pass.Backward(dY))!.Message, Does.Contain("Continue"));
    }

    [Test]
    public void Continue_WithNoUsableState_IsRefused()
    {
        using var forward = new Fixture(Engine, bidirectional: false, normalized: false);
        using var both = new Fixture(Engine, bidirectional: true, normalized: false);
        using Tensor state = Engine.Allocate(new Shape(Utterances, Hidden)), narrow = Engine.Allocate(new Shape(Utterances, 1));
        var x = new float[2 * Utterances * Features];
        Assert.That(
            Assert.Throws<ArgumentException>(() => forward.Pass.Continue(forward.Piece(x, 0, 2), narrow))!.Message, Does.Contain("initial is [3, 1], expected [3, 6]"));
        Assert.That(
            Assert.Throws<ArgumentException>(() => both.Pass.Continue(both.Piece(x, 0, 2), state))!.Message, Does.Contain("initial [3, 6] is a state of one direction"));
    }

    /// <summary>A layer of its own, a pass through it, and the pieces that it is given.</summary>
    private sealed class Fixture : IDisposable
    {
        private readonly List<IDisposable> owned = [];
        private readonly IEngine engine;

        public Fixture(IEngine engine, bool bidirectional, bool normalized, bool trains = true)
        {
            this.engine = engine;
            Parameters = Own(new ParameterSet(engine));
            Workspace workspace = Own(new Workspace(engine));
            Layer = new RecurrentLayer("rnns.0", Features, Hidden, bidirectional, normalized, RecurrentPrecision.Fp32, Parameters, workspace);
            Parameters.Allocate(seed: 1, gradients: trains);
            Layer.Normalization?.RunningMean.Values.CopyFrom([0.25f, -0.5f, 1]);
            Layer.Normalization?.RunningVariance.Values.CopyFrom([2, 0.5f, 1.5f]);
            Pass = Own(Layer.NewPass());
        }

        public ParameterSet Parameters { get; }

        public RecurrentLayer Layer { get; }

        public RecurrentPass Pass { get; }

        public float[] Heard(float[] x) => Pass.Forward(Piece(x, 0, Frames), training: false).Values.ToArray();

        // Frames first..end of [T, N, I].
        public Sequence Piece(float[] x, int first, int end)
        {
            Tensor values = Own(engine.Allocate(new Shape(end - first, Utterances, Features)));
            values.CopyFrom(x.AsSpan()[(first * Utterances * Features)..(end * Utterances * Features)]);
            FrameCounts frames = Own(new FrameCounts(engine));
            frames.Set([.. Lengths.Select(length => Math.Clamp(length - first, 0, end - first))]);
            return new Sequence(values, frames);
        }

        public void Dispose()
        {
            foreach (IDisposable thing in owned.AsEnumerable().Reverse())
                thing.Dispose();
        }

        private T Own<T>(T thing)
            where T : IDisposable
        {
            owned.Add(thing);
            return thing;
        }
    }
}
