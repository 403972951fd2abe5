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
    public void Notes_SameManifest_IsLookedAtByNobody()
    {
        Corpus set = Set("train", 16000, 0.3, 1);
        File.Delete(folder["train0.wav"]);
        Assert.That(SetDifferences.Notes(set, set), Is.Empty);
    }

    private Corpus Set(string name, int rate, double amplitude, int count, int silence = 0)
    {
        for (int i = 0; i < count; i++)
        {
            WavWriter.Write(folder[$"{name}{i}.wav"], [.. new float[silence], .. Sounds.Noise(rate, amplitude, i + 1)], rate);
            folder.Write($"{name}{i}.txt", "A\n");
        }

        string manifest = folder.Write($"{name}.csv", string.Concat(Enumerable.Range(0, count).Select(i => $"{name}{i}.wav,{name}{i}.txt\n")));
        return Corpus.Load(manifest, Alphabet.English);
    }
}
