using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace Ds2.Tests.Reporting;

/// <summary>Event files, read by a reader of the tests' own: checksums bit by bit from the polynomial, messages field by field.</summary>
[NonParallelizable]
public sealed class TensorBoardTests
{
    private const ulong SessionStart = 1;

    private TinyRun run = null!;

    [SetUp]
    public void MakeCorpus() => run = new TinyRun();

    [TearDown]
    public void DeleteCorpus() => run.Dispose();

    [Test]
    public void Scalars_AreThoseOfTheMetrics()
    {
        run.Train("run", "--epochs", "2", "--tensorboard");
        Event[] events = Read("run");
        JsonObject[] batches = [.. run.Metrics("run").Where(line => line.ContainsKey("batch"))], epochs = [.. run.Metrics("run").Where(line => !line.ContainsKey("batch"))];
        Assert.Multiple(() =>
        {
            Assert.That(events[0].Version, Is.EqualTo("brain.Event:2"));
            Assert.That(events[0].WallTime, Is.EqualTo(DateTimeOffset.UtcNow.ToUnixTimeSeconds()).Within(600));
            Assert.That(Curve(events, "train/loss"), Is.EqualTo(batches.Select((line, i) => (i + 1L, (float)(double)line["loss"]!))));
            Assert.That(Curve(events, "train/gradient_norm"), Is.EqualTo(batches.Select((line, i) => (i + 1L, (float)(double)line["gradientNorm"]!))));
            Assert.That(Curve(events, "train/learning_rate"), Has.Length.EqualTo(8));
            Assert.That(Curve(events, "train/audio_seconds_per_second"), Has.Length.EqualTo(8));
            Assert.That(Curve(events, "validation/wer"), Is.EqualTo(epochs.Select((line, i) => (4L * (i + 1), (float)(double)line["wer"]!))));
            Assert.That(Curve(events, "validation/cer"), Is.EqualTo(epochs.Select((line, i) => (4L * (i + 1), (float)(double)line["cer"]!))));
            Assert.That(Curve(events, "validation/wer_utterance"), Has.Length.EqualTo(2));
            Assert.That(Curve(events, "train/loss_per_label"), Is.EqualTo(batches.Select((line, i) => (i + 1L, (float)(double)line["lossPerLabel"]!))));
            foreach ((string curve, string name) in new[] { ("train/epoch_loss_per_label", "lossPerLabel"), ("validation/loss", "validationLoss"), ("validation/loss_per_label", "validationLossPerLabel") })
                Assert.That(Curve(events, curve), Is.EqualTo(epochs.Select((line, i) => (4L * (i + 1), (float)(double)line[name]!))), curve);
        });
    }

    /// <summary>What was logged after the checkpoint is logged again: TensorBoard drops the steps from a session's start on.</summary>
    [Test]
    public void Resume_StartsASessionAfterTheCheckpoint()
    {
        run.Train("run", "--epochs", "1", "--tensorboard");
        run.Train("run", "--epochs", "2", "--resume", "auto", "--tensorboard");
        Event[] events = Read("run");
        Event session = events.Single(e => e.SessionStatus == SessionStart);
        Assert.That(session.Step, Is.EqualTo(5));
        Assert.That(Curve(events, "train/loss").Select(point => point.Step), Is.EqualTo(Enumerable.Range(1, 8).Select(step => (long)step)));
    }

    [Test]
    public void Resume_WithEpochsOfAnotherLength_GoesOnStepByStep()
    {
        run.Train("run", "--epochs", "1", "--max-batches", "2", "--tensorboard");
        run.Train("run", "--epochs", "2", "--resume", "auto", "--tensorboard");
        run.Train("run", "--epochs", "3", "--max-batches", "1", "--resume", "auto", "--tensorboard");
        Event[] events = Read("run");
        Assert.That(Curve(events, "train/loss").Select(point => point.Step), Is.EqualTo(new long[] { 1, 2, 3, 4, 5, 6, 7 }));
        Assert.That(Curve(events, "validation/wer").Select(point => point.Step), Is.EqualTo(new long[] { 2, 6, 7 }));
    }

    private static (long Step, float Value)[] Curve(Event[] events, string tag) =>
        [.. events.SelectMany(e => e.Scalars.Where(scalar => scalar.Tag == tag).Select(scalar => (e.Step, scalar.Value)))];

    /// <summary>All files of the run, in the order in which TensorBoard reads them.</summary>
    private Event[] Read(string folder) =>
        [.. Directory.GetFiles(run[$"{folder}/tensorboard"], "*tfevents*").Order(StringComparer.Ordinal).SelectMany(path => ReadRecords(File.ReadAllBytes(path)))];

    private static List<Event> ReadRecords(byte[] file)
    {
        var events = new List<Event>();
        for (int at = 0; at < file.Length;)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
            Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)), Is.EqualTo(Masked(file.AsSpan(at, 8))), "checksum of the length");
            ReadOnlySpan<byte> data = file.AsSpan(at + 12, length);
            Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)), Is.EqualTo(Masked(data)), "checksum of the data");
            events.Add(Event.Parse(data));
            at += 12 + length + 4;
        }

        return events;
    }

    private static uint Masked(ReadOnlySpan<byte> data)
    {
        uint crc = ~0u;
        foreach (byte value in data)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0x82f63b78;
        }

        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    }

    /// <summary>A protobuf message as its fields; numbers as their bits.</summary>
    private static List<(int Field, ulong Number, byte[] Bytes)> Fields(ReadOnlySpan<byte> message)
    {
        var fields = new List<(int, ulong, byte[])>();
        while (message.Length > 0)
        {
            ulong tag = Varint(ref message);
            switch (tag & 7)
            {
                case 0:
                    fields.Add(((int)(tag >> 3), Varint(ref message), []));
                    break;
                case 1:
                    fields.Add(((int)(tag >> 3), BinaryPrimitives.ReadUInt64LittleEndian(message), []));
                    message = message[8..];
                    break;
                case 2:
                    int length = (int)Varint(ref message);
                    fields.Add(((int)(tag >> 3), 0, message[..length].ToArray()));
                    message = message[length..];
                    break;
                case 5:
                    fields.Add(((int)(tag >> 3), BinaryPrimitives.ReadUInt32LittleEndian(message), []));
                    message = message[4..];
                    break;
                default:
                    throw new FormatException($"wire type {tag & 7}");
            }
        }

        return fields;

        static ulong Varint(ref ReadOnlySpan<byte> from)
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte next = from[0];
                from = from[1..];
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80)
                    return value;
            }
        }
    }

    private sealed record Event(double WallTime, long Step, string? Version, ulong SessionStatus, (string Tag, float Value)[] Scalars)
    {
        public static Event Parse(ReadOnlySpan<byte> message)
        {
            List<(int Field, ulong Number, byte[] Bytes)> fields = Fields(message);
            return new Event(
                BitConverter.UInt64BitsToDouble(fields.Single(f => f.Field == 1).Number),
                (long)fields.Single(f => f.Field == 2).Number,
                fields.Where(f => f.Field == 3).Select(f => Encoding.UTF8.GetString(f.Bytes)).SingleOrDefault(),
                fields.Where(f => f.Field == 7).Select(f => Fields(f.Bytes).Single(g => g.Field == 1).Number).SingleOrDefault(),
                [.. fields.Where(f => f.Field == 5).SelectMany(f => Fields(f.Bytes)).Select(value => Scalar(value.Bytes))]);
        }

        private static (string, float) Scalar(byte[] value)
        {
            List<(int Field, ulong Number, byte[] Bytes)> fields = Fields(value);
            return (Encoding.UTF8.GetString(fields.Single(f => f.Field == 1).Bytes), BitConverter.UInt32BitsToSingle((uint)fields.Single(f => f.Field == 2).Number));
        }
    }
}
