using System.Buffers.Binary;
using System.Text;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Safetensors;

namespace Ds2.Tests.Safetensors;

public sealed class SafetensorsReadTests
{
    private string path = "";

    [SetUp]
    public void MakePath() => path = Path.Combine(Path.GetTempPath(), $"ds2-{Guid.NewGuid():N}.safetensors");

    [TearDown]
    public void RemoveFile() => File.Delete(path);

    [Test]
    public void Open_ReadsWhatOthersWrite()
    {
        // Any order of the names and of the fields, spaces, escapes, and data in another order than the names'.
        Store("""
            { "b": {"shape": [2], "data_offsets": [4, 12], "dtype": "F32"},
              "__metadata__": {"format": "pt"},
              "\u0061": {"data_offsets": [0, 4], "dtype": "I32", "shape": []} }
            """, [7, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(file.Header.Metadata["format"], Is.EqualTo("pt"));
        Assert.That(file.Read<int>("a"), Is.EqualTo(new[] { 7 }));
        Assert.That(file.Read<float>("b"), Is.EqualTo(new[] { 1f, 2f }));
    }

    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", 6, "overlap")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "overlap")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, "gap")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "gap")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "end at byte")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "outside the file")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}""", 4, "outside the file")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 4, "outside the file")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "outside the file")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0.5,4]}}""", 4, "outside the file")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "4 bytes for 2 elements")]
    [TestCase("""{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}""", 4, "no count")]
    [TestCase("""{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}""", 4, "no count")]
    [TestCase("""{"a":{"dtype":"F32","shape":[65536,65536,65536],"data_offsets":[0,4]}}""", 4, "more elements")]
    [TestCase("""{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}""", 4, "type BF16")]
    [TestCase("""{"a":{"dtype":"0","shape":[1],"data_offsets":[0,4]}}""", 4, "type 0")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "lacks its dtype, shape or data_offsets")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "lacks its dtype, shape or data_offsets")]
    [TestCase("""{"a":5}""", 0, "lacks its dtype, shape or data_offsets")]
    [TestCase("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""", 0, "twice")]
    [TestCase("""{"__metadata__":{"epoch":3}}""", 0, "'epoch' is no text")]
    [TestCase("""{"__metadata__":[]}""", 0, "metadata are no JSON object")]
    [TestCase("""{"\ud800":{}}""", 0, "no JSON")]
    [TestCase("""[1]""", 0, "no JSON object")]
    [TestCase("""{"a":""", 0, "no JSON")]
    [TestCase("", 0, "no JSON")]
    public void Open_RefusesAHeaderThatCannotBe(string json, int dataBytes, string what)
    {
        Store(json, new byte[dataBytes]);
        AssertRefused(what);
    }

    [Test]
    public void Open_RefusesALengthBeyondTheFile([Values(1UL, 100_000_001UL, 1UL << 62, ulong.MaxValue)] ulong length)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        File.WriteAllBytes(path, bytes);
        AssertRefused($"claims {length} bytes");
    }

    [Test]
    public void Open_RefusesEveryTruncation()
    {
        SafetensorsFile.Write(path, new Dictionary<string, string> { ["epoch"] = "1" },
        [
            SafetensorsEntry.Of<float>("w", [3], new float[3]),
            SafetensorsEntry.Of<byte>("state", [2], new byte[2]),
        ]);
        byte[] whole = File.ReadAllBytes(path);

        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            AssertRefused("");
        }
    }

    [Test]
    public void Open_RefusesWhatIsNoFile()
    {
        AssertRefused("no such file");
        string folder = Directory.CreateTempSubdirectory("ds2-").FullName;
        Assert.That(() => SafetensorsFile.Open(folder), Throws.TypeOf<InputException>().With.Message.Contains(folder));
        Directory.Delete(folder);
    }

    [Test]
    public void Read_RefusesAnotherNameTypeOrShape()
    {
        SafetensorsFile.Write(path, new Dictionary<string, string>(), [SafetensorsEntry.Of<float>("w", [2, 3], new float[6])]);
        using var engine = new HostEngine(1);
        using Tensor turned = engine.Allocate(new Shape(3, 2));
        using SafetensorsFile file = SafetensorsFile.Open(path);

        Assert.That(() => file.Read<float>("b"), Refused("no tensor 'b'"));
        Assert.That(() => file.Read<long>("w"), Refused("'w' has type F32, where I64 is wanted"));
        Assert.That(() => file.ReadInto("w", new float[5].AsSpan()), Refused("'w' has 6 elements, where 5 are wanted"));
        Assert.That(() => file.ReadInto("w", turned), Refused("'w' is [2, 3], where [3, 2] is wanted"));
    }

    private void Store(string json, byte[] data)
    {
        byte[] header = Encoding.UTF8.GetBytes(json);
        var length = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        File.WriteAllBytes(path, [.. length, .. header, .. data]);
    }

    private void AssertRefused(string what) => Assert.That(() => SafetensorsFile.Open(path), Refused(what));

    private NUnit.Framework.Constraints.IResolveConstraint Refused(string what) =>
        Throws.TypeOf<InputException>().With.Message.StartsWith(path).And.Message.Contains(what).And.Message.Not.Contains("\n");
}
