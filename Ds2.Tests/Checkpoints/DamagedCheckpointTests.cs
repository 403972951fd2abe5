using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Checkpoints;
using Ds2.Runtime.Features;
using Ds2.Runtime.Training;
using Ds2.Tests.Data;

namespace Ds2.Tests.Checkpoints;

/// <summary>Whole safetensors files whose contents no run can go on from: an <see cref="InputException"/> that names the file.</summary>
public sealed class DamagedCheckpointTests
{
    private static readonly RunOptions Tiny = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 4, Layers = 1 };

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
        string path = Write(state, []);
        Assert.That(() => Checkpoint.Open(path), Throws.TypeOf<InputException>().With.Message.Contains(path).And.Message.Contains(expected));
    }

    /// <summary>Shapes that the format allows and no tensor of Ds2 can have: a scalar and five dimensions.</summary>
    [TestCase(new int[0])]
    [TestCase(new[] { 1, 1, 1, 1, 1 })]
    public void RestoreModel_ShapeOfAnotherRank_NamesTheTensor(int[] shape)
    {
        string path = Write("{}", [SafetensorsEntry.Of("conv.0.weight", shape, new ReadOnlyMemory<float>([1]))]);
        using var checkpoint = Checkpoint.Open(path);
        using var engine = new HostEngine(threads: 1);
        Assert.That(
            () => checkpoint.RestoreModel(engine),
            Throws.TypeOf<InputException>().With.Message.Contains(path).And.Message.Contains("conv.0.weight").And.Message.Contains("another model"));
    }

    private string Write(string state, SafetensorsEntry[] tensors)
    {
        var metadata = new Dictionary<string, string> { ["ds2.format"] = "ds2-checkpoint-1", ["ds2.options"] = Tiny.ToJson(), ["ds2.state"] = state };
        SafetensorsFile.Write(folder["damaged.safetensors"], metadata, tensors);
        return folder["damaged.safetensors"];
    }
}
