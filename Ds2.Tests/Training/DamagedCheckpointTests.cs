using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Safetensors;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Training;

/// <summary>Whole safetensors files whose contents no run can go on from: an <see cref="InputException"/> that names the file.</summary>
public sealed class DamagedCheckpointTests
{
    private static readonly RunOptions Tiny = new() { Model = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 4, Layers = 1 } };

    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [TestCase("null", "is empty")]
    [TestCase("{", "malformed")]
    [TestCase("""{"Epoch":-1}""", "negative position")]
    [TestCase("""{"Batch":-5}""", "negative position")]
    [TestCase("""{"History":null}""", "no history")]
    [TestCase("""{"History":[null]}""", "no history")]
    public void Open_PositionOfNoRun_NamesTheFile(string state, string expected)
    {
        string path = Write(state, Sizes);
        Assert.That(() => Checkpoint.Open(path), Throws.TypeOf<InputException>().With.Message.Contains(path).And.Message.Contains(expected));
    }

    /// <summary>Shapes that the format allows and no tensor of Ds2 can have: a scalar and five dimensions.</summary>
    [TestCase(new int[0])]
    [TestCase(new[] { 1, 1, 1, 1, 1 })]
    public void Open_ShapeOfAnotherRank_NamesTheTensor(int[] shape)
    {
        string path = Write("{}", [SafetensorsEntry.Of("conv.0.weight", shape, new ReadOnlyMemory<float>([1]))]);
        Assert.That(
            () => Checkpoint.Open(path),
            Throws.TypeOf<InputException>().With.Message.Contains(path).And.Message.Contains("conv.0.weight").And.Message.Contains("another model"));
    }

    /// <summary>A flipped bit at any place of the file, tensors included, is found; cut short, it is no whole file.</summary>
    [Test]
    public void Open_FlippedBitOrTruncated_NamesTheFile()
    {
        string path = folder["latest.safetensors"];
        using var engine = new HostEngine(threads: 1);
        using var model = new DeepSpeech2(Tiny.Model.ArchitectureFor(Alphabet.English), engine, 1);
        using var optimizer = Optimizer.Create(Tiny.Training, model.Parameters, model.Workspace);
        Checkpoint.Save(path, new ModelDescription(Tiny.Model, Alphabet.English), Tiny, new TrainingState(), model, optimizer);
        Checkpoint.Open(path).Dispose();
        byte[] whole = File.ReadAllBytes(path);
        var random = new Random(1);
        for (int i = 0; i < 200; i++)
        {
            byte[] damaged = [.. whole];
            damaged[i < 100 ? random.Next(4096) : random.Next(whole.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(path, damaged);
            Assert.That(() => Checkpoint.Open(path), WavReaderTests.IsOneLine(path, ""));
            File.WriteAllBytes(path, whole[..random.Next(whole.Length)]);
            Assert.That(() => Checkpoint.Open(path), WavReaderTests.IsOneLine(path, "not a whole safetensors file"));
        }
    }

    /// <summary>Sizes that the tensors do not have: a model of them, of gigabytes here but for the channels, must not be made before anyone looks.</summary>
    [TestCase("hidden", "65536")]
    [TestCase("channels", "4096")]
    [TestCase("layers", "1000")]
    public void Open_OptionsOfAnotherModel_TakesNoMemoryForThem(string option, string value)
    {
        string path = Write("{}", Sizes, Tiny.With(option, value));
        Assert.That(() => Checkpoint.Open(path), WavReaderTests.IsOneLine(path, $"{option}={value}"));
    }

    /// <summary>The tensors that a file's sizes are held against.</summary>
    private static SafetensorsEntry[] Sizes =>
    [
        SafetensorsEntry.Of<float>("conv.0.weight", [2, 1, 41, 11], new float[902]), SafetensorsEntry.Of<float>("rnns.0.rnn.weight_hh_l0", [12, 4], new float[48]),
    ];

    private string Write(string state, SafetensorsEntry[] tensors, RunOptions? options = null)
    {
        var metadata = new Dictionary<string, string> { ["ds2.format"] = "ds2-checkpoint-2", ["ds2.options"] = (options ?? Tiny).ToJson(), ["ds2.state"] = state };
        SafetensorsFile.Write(folder["damaged.safetensors"], metadata, tensors, checksum: true);
        return folder["damaged.safetensors"];
    }
}
