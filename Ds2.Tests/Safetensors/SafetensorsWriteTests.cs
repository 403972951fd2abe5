using System.Text;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Files;
using Ds2.Runtime.Safetensors;

namespace Ds2.Tests.Safetensors;

public sealed class SafetensorsWriteTests
{
    private static readonly Dictionary<string, string> NoMetadata = [];

    private string folder = "";

    private string FilePath => Path.Combine(folder, "model.safetensors");

    [SetUp]
    public void MakeFolder() => folder = Directory.CreateTempSubdirectory("ds2-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void Write_ThenRead_GivesTheSameTensorsAndMetadata()
    {
        var metadata = new Dictionary<string, string> { ["epoch"] = "3", ["note"] = "naïve \"quotes\"\nand lines" };
        SafetensorsFile.Write(FilePath, metadata,
        [
            SafetensorsEntry.Of<byte>("state", [5], new byte[] { 1, 2, 3, 4, 255 }),
            SafetensorsEntry.Of<float>("fc.0.weight", [2, 3], new[] { 1f, -0f, float.NaN, float.PositiveInfinity, float.Epsilon, 6f }),
            SafetensorsEntry.Of<long>("tracked", [], new[] { long.MinValue }),
            SafetensorsEntry.Of<int>("lengths", [2], new[] { -1, int.MaxValue }),
            SafetensorsEntry.Of<float>("none", [0, 7], ReadOnlyMemory<float>.Empty),
        ]);

        using SafetensorsFile file = SafetensorsFile.Open(FilePath);
        Assert.That(file.Header.Metadata, Is.EqualTo(metadata));
        Assert.That(file.Header.Tensors.Select(tensor => tensor.Name), Is.EqualTo(new[] { "tracked", "fc.0.weight", "lengths", "none", "state" }));
        Assert.That(file.Header.Tensors.Single(tensor => tensor.Name == "fc.0.weight").Shape, Is.EqualTo(new[] { 2, 3 }));
        Assert.That(file.Read<float>("fc.0.weight").Select(BitConverter.SingleToInt32Bits), Is.EqualTo(
            new[] { 1f, -0f, float.NaN, float.PositiveInfinity, float.Epsilon, 6f }.Select(BitConverter.SingleToInt32Bits)));
        Assert.That(file.Read<long>("tracked"), Is.EqualTo(new[] { long.MinValue }));
        Assert.That(file.Read<int>("lengths"), Is.EqualTo(new[] { -1, int.MaxValue }));
        Assert.That(file.Read<byte>("state"), Is.EqualTo(new byte[] { 1, 2, 3, 4, 255 }));
        Assert.That(file.Read<float>("none"), Is.Empty);
        Assert.That(file.Contains("fc.0.bias"), Is.False);
    }

    [Test]
    public void Write_GivesTheFormatsBytes()
    {
        SafetensorsFile.Write(FilePath, NoMetadata, [SafetensorsEntry.Of<float>("w", [2], new[] { 1f, -2f })]);

        const string Json = """{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""";
        byte[] header = Encoding.ASCII.GetBytes(Json.PadRight((Json.Length + 7) / 8 * 8));
        byte[] expected = [(byte)header.Length, 0, 0, 0, 0, 0, 0, 0, .. header, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0];
        Assert.That(File.ReadAllBytes(FilePath), Is.EqualTo(expected));
    }

    [Test]
    public void Write_AlignsEveryTensorToItsElements()
    {
        SafetensorsFile.Write(FilePath, NoMetadata,
        [
            SafetensorsEntry.Of<byte>("odd", [3], new byte[3]),
            SafetensorsEntry.Of<float>("single", [1], new float[1]),
            SafetensorsEntry.Of<long>("long", [1], new long[1]),
        ]);

        foreach (SafetensorsTensor tensor in SafetensorsFile.ReadHeader(FilePath).Tensors)
            Assert.That(tensor.Offset % (tensor.Bytes / tensor.Elements), Is.Zero, tensor.Name);
    }

    [Test]
    public void Write_FromTensors_StreamsInParts()
    {
        using var engine = new HostEngine(1);
        int columns = SafetensorsEntry.PartBytes / sizeof(float) / 2 + 5;
        using Tensor source = engine.Allocate(new Shape(3, columns));
        source.CopyFrom(Enumerable.Range(0, 3 * columns).Select(i => (float)i).ToArray());
        SafetensorsFile.Write(FilePath, NoMetadata, [SafetensorsEntry.Of("w", source)]);

        using SafetensorsFile file = SafetensorsFile.Open(FilePath);
        using Tensor copy = engine.Allocate(source.Shape);
        file.ReadInto("w", copy);
        Assert.That(copy.ToArray().AsSpan().SequenceEqual(source.ToArray()), Is.True);
        Assert.That(file.Read<float>("w").AsSpan().SequenceEqual(source.ToArray()), Is.True);
    }

    [Test]
    public void Write_KeepsTheOldFileWholeUntilTheNewOneIs()
    {
        SafetensorsFile.Write(FilePath, NoMetadata, [SafetensorsEntry.Of<int>("epoch", [1], new[] { 1 })]);
        int parts = 0;
        SafetensorsFile.Write(FilePath, NoMetadata,
        [
            SafetensorsEntry.Of<int>("epoch", [1_000_000], (offset, part) =>
            {
                parts++;
                part.Fill(2);
                Assert.That(Epoch(), Is.EqualTo(1), $"at element {offset}");
            }),
        ]);

        Assert.That(parts, Is.GreaterThan(1));
        Assert.That(Epoch(), Is.EqualTo(2));
        Assert.That(Directory.GetFiles(folder), Is.EqualTo(new[] { FilePath }));
    }

    [Test]
    public void Write_ThatFails_LeavesTheOldFileAndNoOther()
    {
        SafetensorsFile.Write(FilePath, NoMetadata, [SafetensorsEntry.Of<int>("epoch", [1], new[] { 1 })]);

        Assert.That(
            () => SafetensorsFile.Write(FilePath, NoMetadata,
            [
                SafetensorsEntry.Of<int>("epoch", [1], new[] { 2 }),
                SafetensorsEntry.Of<float>("w", [4], (_, _) => throw new IOException("the disk is full")),
            ]),
            Throws.TypeOf<IOException>());

        Assert.That(Epoch(), Is.EqualTo(1));
        Assert.That(Directory.GetFiles(folder), Is.EqualTo(new[] { FilePath }));
    }

    [Test]
    public void Write_OverwritesWhatAKilledWriterLeft()
    {
        File.WriteAllBytes(FilePath + AtomicFile.PartialSuffix, new byte[10_000]);
        SafetensorsFile.Write(FilePath, NoMetadata, [SafetensorsEntry.Of<int>("epoch", [1], new[] { 4 })]);

        Assert.That(Epoch(), Is.EqualTo(4));
        Assert.That(Directory.GetFiles(folder), Is.EqualTo(new[] { FilePath }));
    }

    [Test]
    public void Write_MakesTheFolder()
    {
        string deeper = Path.Combine(folder, "runs", "1", "model.safetensors");
        SafetensorsFile.Write(deeper, NoMetadata, []);
        Assert.That(SafetensorsFile.ReadHeader(deeper).Tensors, Is.Empty);
    }

    [Test]
    public void Write_RefusesEqualNamesAndWrongLengths()
    {
        var one = SafetensorsEntry.Of<float>("w", [1], new float[1]);
        Assert.That(() => SafetensorsFile.Write(FilePath, NoMetadata, [one, one]), Throws.ArgumentException.With.Message.Contains("'w'"));
        Assert.That(() => SafetensorsEntry.Of<float>("w", [2, 2], new float[3]), Throws.ArgumentException.With.Message.Contains("[2, 2]"));
        Assert.That(File.Exists(FilePath), Is.False);
    }

    private int Epoch()
    {
        using SafetensorsFile file = SafetensorsFile.Open(FilePath);
        return file.Read<int>("epoch")[0];
    }
}
