using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;
using Ds2.Tests.Training;

namespace Ds2.Tests.Data;

/// <summary>What the recognizer is told of the utterances that its model was trained on.</summary>
public sealed class TypicalUtteranceTests
{
    [Test]
    public void Of_HasTheMedians()
    {
        using var folder = new TempFolder();
        folder.WriteNoise(16000, 24000, 80000);
        for (int i = 0; i < 3; i++)
            WavWriter.Write(folder[$"u{i}.wav"], [.. new float[500 + 10000 * i], .. Sounds.Sine(16000 + 8000 * i, 440, 16000).Select(sample => sample + 0.6f)]);
        TypicalUtterance typical = TypicalUtterance.Of(Corpus.Load(folder["manifest.csv"], Alphabet.English));
        Assert.That(typical, Is.EqualTo(new TypicalUtterance(34500 / 16000.0, 10500 / 16000.0)));
    }

    [Test]
    public void Description_KeepsIt([Values(null, 0.0, 0.057)] double? silence)
    {
        var description = new ModelDescription(TrainingRuns.Tiny.Model, Alphabet.English) { Typical = new TypicalUtterance(1.87, silence) };
        Assert.That(ModelDescription.Parse(description.ToJson(), "a file").Typical, Is.EqualTo(description.Typical));
        Assert.That(ModelDescription.Parse((description with { Typical = null }).ToJson(), "a file").Typical, Is.Null);
    }

    [TestCase(0, 0.1)]
    [TestCase(2, -1)]
    public void Description_WithNonsense_IsRefused(double seconds, double silence)
    {
        string json = new ModelDescription(TrainingRuns.Tiny.Model, Alphabet.English) { Typical = new TypicalUtterance(seconds, silence) }.ToJson();
        Assert.That(() => ModelDescription.Parse(json, "a file"), Throws.TypeOf<InputException>().With.Message.StartsWith("a file: typicalUtterance"));
    }
}
