using Ds2.Runtime;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Tests.Engines;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Recognition.Streaming;

/// <summary>Frames in pieces through a model: the logits of the whole.</summary>
[TestFixtureSource(typeof(TestEngines), nameof(TestEngines.Names))]
public sealed class StreamingPassTests(string engineName)
{
    private const int Rows = 13;

    private IEngine Engine => TestEngines.Get(engineName);

    private bool IsHost => engineName.StartsWith("host", StringComparison.Ordinal);

    // 47 input frames give no more rows than the host's kernel for few rows takes.
    [Test]
    public void Advance_RandomPieces_GivesTheWholesLogits([Values(31, 34, 47)] int length, [Values(0, 15)] int padFrames)
    {
        if (!IsHost && (length != 34 || engineName == "emulated" && padFrames > 0))
            Assert.Ignore("one length is enough where each takes seconds");
        using DeepSpeech2 model = Model(Engine, IsHost ? 20 : 5, padFrames);
        float[] features = Features(length, seed: length), whole = Whole(model, features);
        using var pass = new StreamingPass(model);
        for (int seed = 0; seed < (IsHost ? 10 : 1); seed++)
        {
            StreamState stream = pass.NewStream();
            float[] pieces = [.. Pieces(length, new Random(seed), 9).SelectMany(piece => Advance(pass, stream, features, piece))];
            if (IsHost)
                Compare.BitEqual(pieces, whole, $"logits, seed {seed}");
            else
                Compare.Close(pieces.ToDouble(), whole.ToDouble(), Tolerances.Streamed, $"logits, seed {seed}");
        }
    }

    /// <remarks>Each stream's pieces, its beginning and its end are its own; only some have frames at a time.</remarks>
    [Test]
    public void Advance_StreamsThatJoinAndLeave_EachHaveTheirOwnWhole()
    {
        if (!IsHost)
            Assert.Ignore("takes ten seconds here");
        using DeepSpeech2 model = Model(Engine, 6);
        using var pass = new StreamingPass(model);
        int[] lengths = [140, 45, 31, 20, 90];
        int[] joins = [0, 0, 2, 3, 5];
        float[][] features = [.. lengths.Select(length => Features(length, length))];
        float[][] heard = [.. lengths.Select(_ => Array.Empty<float>())];
        StreamState?[] streams = new StreamState?[lengths.Length];
        int[] sent = new int[lengths.Length];
        var random = new Random(1);
        for (int turn = 0; sent.Zip(lengths).Any(pair => pair.First < pair.Second); turn++)
        {
            for (int i = 0; i < lengths.Length; i++)
                if (turn >= joins[i])
                {
                    streams[i] ??= pass.NewStream();
                    int count = Math.Min(random.Next(0, 14), lengths[i] - sent[i]);
                    streams[i]!.Append(features[i].AsSpan(sent[i]), lengths[i], count);
                    sent[i] += count;
                }

            int[] present = [.. Enumerable.Range(0, lengths.Length).Where(i => streams[i] is not null && random.Next(4) > 0 || sent[i] == lengths[i])];
            pass.Advance([.. present.Select(i => streams[i]!)]);
            foreach (int i in present)
                heard[i] = [.. heard[i], .. streams[i]!.Logits];
        }

        pass.Advance(streams!);
        for (int i = 0; i < lengths.Length; i++)
            Compare.Close(((float[])[.. heard[i], .. streams[i]!.Logits]).ToDouble(), Whole(model, features[i]).ToDouble(), Tolerances.Streamed, $"stream {i}");
    }

    [Test]
    public void Advance_ManyFramesAtOnce_StaysNearTheWhole()
    {
        if (!IsHost)
            Assert.Ignore("the host alone has another product for more rows");
        using DeepSpeech2 model = Model(Engine, 20);
        using var pass = new StreamingPass(model);
        float[] features = Features(400, seed: 4), whole = Whole(model, features);
        StreamState stream = pass.NewStream();
        float[] pieces = [.. Pieces(400, new Random(2), 150).SelectMany(piece => Advance(pass, stream, features, piece))];
        Compare.Close(pieces.ToDouble(), whole.ToDouble(), Tolerances.Streamed, "logits");
    }

    [Test]
    public void New_OfABidirectionalModel_IsRefusedInOneLine()
    {
        using var model = new DeepSpeech2(new Architecture(Rows, 2, 5, 1, true, false, 7), Engine, seed: 1, trains: false);
        Assert.That(() => new StreamingPass(model), Throws.TypeOf<InputException>().With.Message.Contains("bidirectional=false").And.Message.Not.Contains("\n"));
    }

    /// <summary>A model with running statistics that are not those of a new one.</summary>
    private static DeepSpeech2 Model(IEngine engine, int hidden, int padFrames = 0)
    {
        var model = new DeepSpeech2(new Architecture(Rows, 2, hidden, 2, Bidirectional: false, RnnBatchNorm: true, 7, PadFrames: padFrames), engine, seed: 3, trains: false);
        var random = new Random(5);
        foreach ((_, Tensor values) in model.Parameters.Statistics)
            values.CopyFrom([.. Enumerable.Range(0, values.Length).Select(_ => 0.2f + random.NextSingle())]);
        return model;
    }

    private static float[] Features(int frames, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, Rows * frames).Select(_ => 2 * random.NextSingle() - 1)];
    }

    private static float[] Whole(DeepSpeech2 model, float[] features)
    {
        int frames = features.Length / Rows;
        if (model.OutputFrames(frames) == 0)
            return [];
        using ModelPass pass = model.NewPass();
        using Tensor x = model.Engine.Allocate(new Shape(1, 1, Rows, frames));
        x.CopyFrom(features);
        return pass.Forward(x, [frames], training: false).Values.ToArray();
    }

    private static IEnumerable<(int First, int End)> Pieces(int length, Random random, int most)
    {
        for (int first = 0, end; first < length; first = end)
        {
            end = Math.Min(length, first + random.Next(1, most + 1));
            yield return (first, end);
        }
    }

    private static float[] Advance(StreamingPass pass, StreamState stream, float[] features, (int First, int End) piece)
    {
        stream.Append(features.AsSpan(piece.First), features.Length / Rows, piece.End - piece.First);
        if (piece.End == features.Length / Rows)
            stream.Finish();
        pass.Advance([stream]);
        return stream.Logits.ToArray();
    }
}
