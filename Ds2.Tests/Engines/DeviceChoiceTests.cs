using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Tests.Engines;

/// <summary>Which device a name means, and what happens where it cannot be used.</summary>
public sealed class DeviceChoiceTests
{
    [TestCase("auto", DeviceKind.Auto, null)]
    [TestCase("HOST", DeviceKind.Host, null)]
    [TestCase("cuda", DeviceKind.Cuda, null)]
    [TestCase("cuda:0", DeviceKind.Cuda, 0)]
    [TestCase("cuda:1", DeviceKind.Cuda, 1)]
    [TestCase("OpenCL:12", DeviceKind.OpenCl, 12)]
    public void Parse_NamesAKindAndWhich(string text, DeviceKind kind, int? number)
    {
        var choice = DeviceChoice.Parse(text);
        Assert.That(choice, Is.EqualTo(new DeviceChoice(kind, number)));
        Assert.That(DeviceChoice.Parse(choice.ToString()), Is.EqualTo(choice));
    }

    [TestCase("cuda1")]
    [TestCase("cuda:")]
    [TestCase("cuda:-1")]
    [TestCase("cuda:1:2")]
    [TestCase("cuda: 1")]
    [TestCase("cuda:99999999999")]
    [TestCase("host:0")]
    [TestCase("auto:1")]
    [TestCase("1")]
    [TestCase("cuda,host")]
    [TestCase("")]
    public void Parse_OfAnythingElse_SaysWhatCanBeWritten(string text) =>
        Assert.That(() => DeviceChoice.Parse(text), Throws.TypeOf<FormatException>().With.Message.Contains($"'{text}'").And.Message.Contains("devices"));

    [Test]
    public void Auto_WhereTheGpuCannotBeUsed_SaysSoInOneLine_AndTakesTheHost()
    {
        var lines = new List<string>();
        using IEngine engine = EngineFactory.Auto(() => throw Busy(), () => new HostEngine(1), lines.Add);
        Assert.That(engine, Is.InstanceOf<HostEngine>());
        Assert.That(lines, Has.Count.EqualTo(1));
        Assert.That(lines[0], Does.StartWith("CUDA device 0 (a GPU) cannot be used: its memory is taken").And.EndsWith("going on with the host"));
    }

    [Test]
    public void Auto_WhereThereIsNoGpu_TakesTheHost_AndSaysNothing()
    {
        using IEngine engine = EngineFactory.Auto(
            () => throw new DeviceUnavailableException("there is no CUDA device", isPresent: false), () => new HostEngine(1), Assert.Fail);
        Assert.That(engine, Is.InstanceOf<HostEngine>());
    }

    [Test]
    public void Auto_WhereTheFaultIsOurs_Fails() =>
        Assert.That(() => EngineFactory.Auto(() => throw new ArgumentException("ours"), () => new HostEngine(1), null), Throws.ArgumentException);

    [TestCase("46", "another process has it to itself")]
    [TestCase("CUDA_ERROR_OUT_OF_MEMORY", "memory is taken")]
    [TestCase("CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "toolchain (CUDA_ERROR_UNSUPPORTED_PTX_VERSION)")]
    public void Reason_SaysWhatToLookFor(string error, string expected) =>
        Assert.That(IlgpuEngine.Reason(error, "compiled with another toolchain"), Does.Contain(expected));

    [Test]
    public void Unavailable_OfADriverThatDoesNotFit_IsOneLine() =>
        Assert.That(
            IlgpuEngine.Unavailable("CUDA device 0", new NotSupportedException("CUDA driver 8.0\nis too old")).Message,
            Is.EqualTo("CUDA device 0 cannot be used: CUDA driver 8.0 is too old"));

    [Test]
    public void DeviceThatIsNotThere_IsNamedWithItsNumber() =>
        Assert.That(
            () => EngineFactory.Create(new DeviceChoice(DeviceKind.OpenCl, 97)),
            Throws.TypeOf<DeviceUnavailableException>().With.Message.StartsWith("there is no OpenCL device").And.Property("IsPresent").False);

    private static DeviceUnavailableException Busy() => IlgpuEngine.Unavailable("CUDA device 0 (a GPU)", new OutOfMemoryException());
}
