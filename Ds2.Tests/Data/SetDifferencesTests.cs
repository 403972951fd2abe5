using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data;

/// <summary>What is otherwise in the validation set than in the training set.</summary>
public sealed class SetDifferencesTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void Notes_SetsOfOneKind_AreNone()
    {
        Corpus training = Set("train", 16000, 0.3, 4), validation = Set("val", 16000, 0.2, 4);
        Assert.That(SetDifferences.Notes(training, validation), Is.Empty);
    }

    [TestCase(8000, "100 % of *val.csv have 8000 Hz, but 0 % of *train.csv, where 16000 Hz is usual; all are heard at 16000 Hz, and sound of 8000 Hz has nothing above 4000 Hz")]
    [TestCase(44100, "have 44100 Hz, but 0 %*and recordings of another rate may be of another kind")]
    public void Notes_AnotherRate_IsSaid(int rate, string expected)
    {
        string note = SetDifferences.Notes(Set("train", 16000, 0.3, 3), Set("val", rate, 0.3, 3)).Single();
        Assert.That(note, Does.StartWith("sampling rates differ: ").And.Match(System.Text.RegularExpressions.Regex.Escape(expected).Replace("\\*", ".*", StringComparison.Ordinal)));
    }

    /// <summary>A twentieth of the amplitude, behind half a second of nothing.</summary>
    [Test]
    public void Notes_AnotherLevel_IsSaid()
    {
        string note = SetDifferences.Notes(Set("train", 16000, 0.4, 3), Set("val", 16000, 0.02, 3, silence: 8000)).Single();
        Assert.That(note, Does.Match(@"^levels differ: the median of .*val\.csv is (38|39|40) dB below full scale, that of .*train\.csv (12|13|14) dB"));
    }

    [Test]
    public void Notes_SameManifest_IsComparedWithItselfAlone()
    {
        Corpus set = Mixed("train", (8000, 0.3), (16000, 0.3), (16000, 0.3), (16000, 0.3));
        Assert.That(SetDifferences.Notes(set, set), Is.EqualTo(SetDifferences.Within(set)).And.Count.EqualTo(1));
    }

    [Test]
    public void Notes_SetsThatAreMixedAlike_SayItOfEach() =>
        Assert.That(
            SetDifferences.Notes(Mixed("train", (8000, 0.3), (16000, 0.3)), Mixed("val", (8000, 0.3), (16000, 0.3))),
            Has.Count.EqualTo(2).And.All.StartsWith("sampling rates differ within "));

    [TestCase("8000 16000 44100 48000", "25 % have 8000 Hz (nothing above 4000 Hz), the others 16000 Hz or more: ")]
    [TestCase("8000 8000 8000 11025", "75 % have 8000 Hz (nothing above 4000 Hz), 25 % have 11025 Hz (nothing above 5512 Hz): ")]
    [TestCase("16000 44100 48000 22050", null, Description = "of none of them is anything missing")]
    [TestCase("8000 8000", null)]
    public void Within_OtherRatesBelowTheFeatures_AreSaid(string rates, string? expected)
    {
        IReadOnlyList<string> notes = SetDifferences.Within(Mixed("set", [.. rates.Split(' ').Select(rate => (int.Parse(rate), 0.3))]));
        if (expected is null)
            Assert.That(notes, Is.Empty);
        else
            Assert.That(notes, Has.Count.EqualTo(1).And.All.Contain(expected));
    }

    [Test]
    public void Within_RecordingsFarQuieterThanOthers_AreSaid()
    {
        (int, double)[] loud = [.. Enumerable.Repeat((16000, 0.5), 8)];
        Assert.Multiple(() =>
        {
            Assert.That(SetDifferences.Within(Mixed("even", loud)), Is.Empty);
            Assert.That(SetDifferences.Within(Mixed("one", [.. loud, (16000, 0.005), (16000, 0.4)])), Is.Empty, "one in ten is no kind");
            Assert.That(SetDifferences.Within(Mixed("some", [.. loud, (16000, 0.005), (16000, 0.005)])).Single(), Does.Match(@"^levels differ within .*some\.csv: from 5[0-3] to 1[0-3] dB below full scale, by 10 recordings"));
        });
    }

    private Corpus Set(string name, int rate, double amplitude, int count, int silence = 0) => Mixed(name, [.. Enumerable.Repeat((rate, amplitude), count)], silence);

    private Corpus Mixed(string name, params (int Rate, double Amplitude)[] recordings) => Mixed(name, recordings, silence: 0);

    private Corpus Mixed(string name, (int Rate, double Amplitude)[] recordings, int silence)
    {
        for (int i = 0; i < recordings.Length; i++)
        {
            (int rate, double amplitude) = recordings[i];
            WavWriter.Write(folder[$"{name}{i}.wav"], [.. new float[silence], .. Sounds.Noise(rate, amplitude, i + 1)], rate);
            folder.Write($"{name}{i}.txt", "A\n");
        }

        string manifest = folder.Write($"{name}.csv", string.Concat(Enumerable.Range(0, recordings.Length).Select(i => $"{name}{i}.wav,{name}{i}.txt\n")));
        return Corpus.Load(manifest, Alphabet.English);
    }
}
