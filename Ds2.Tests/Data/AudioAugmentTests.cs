using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data.Augment;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data;

public sealed class AudioAugmentTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Draw_IsUniformInTheReferencesRanges()
    {
        var augment = new AudioAugment(TempoAndGain: true, Noises(3));
        AudioChange[] changes = [.. Enumerable.Range(0, 4000).Select(i => augment.Draw(1, 0, i))];
        AssertUniform(changes.Select(change => change.Tempo), 0.85, 1.15);
        AssertUniform(changes.Select(change => change.Gain), -6, 8);
        NoiseExcerpt[] noises = [.. changes.Where(change => change.Noise is not null).Select(change => change.Noise!)];
        Assert.That(noises, Has.Length.EqualTo(1600).Within(125), "0.4 of 4000, four standard deviations");
        AssertUniform(noises.Select(noise => noise.Level), 0, 0.5);
        AssertUniform(noises.Select(noise => noise.Position), 0, 1);
        Assert.That(noises.CountBy(noise => noise.File).Select(file => file.Value), Has.Exactly(3).InRange(450, 620));
    }

    [Test]
    public void Draw_DependsOnSeedEpochAndUtteranceAlone_AndNotOnTheMasks()
    {
        var augment = new AudioAugment(TempoAndGain: true, Noises(2), NoiseProbability: 1);
        AudioChange change = augment.Draw(1, 2, 3);
        Assert.That(augment.Draw(1, 2, 3), Is.EqualTo(change));
        Assert.That(augment.Draw(2, 2, 3), Is.Not.EqualTo(change));
        Assert.That(augment.Draw(1, 3, 3), Is.Not.EqualTo(change));
        Assert.That(augment.Draw(1, 2, 4), Is.Not.EqualTo(change));
        Assert.That((augment with { Noise = null }).Draw(1, 2, 3), Is.EqualTo(change with { Noise = null }), "noise does not shift tempo and gain");
        Assert.That((augment with { TempoAndGain = false }).Draw(1, 2, 3), Is.EqualTo(new AudioChange(Noise: change.Noise)), "nor they the noise");
    }

    [TestCase(-6)]
    [TestCase(8)]
    public void Apply_Gain_IsSoxGain(double decibels)
    {
        float[] sound = Sounds.Sine(4000, 300, 16000, amplitude: 0.8), sox = Sox.Run(sound, "gain", decibels);
        float[] own = new AudioChange(Gain: decibels).Apply(sound);
        Assert.That(own, Is.EqualTo(sox).Within(2 / 32768f), "to 16 bits, clipped at full scale");
        Assert.That(own.Max(), decibels > 0 ? Is.EqualTo(1f) : Is.LessThan(0.41f));
    }

    [Test]
    public void Apply_Noise_HasItsLevelRelativeToTheSpeechs()
    {
        float[] sound = Sounds.Sine(16000, 300, 16000, amplitude: 0.2);
        WavWriter.Write(folder["noise.wav"], Sounds.Noise(40000, 0.9));
        float[] mixed = new AudioChange(Noise: new NoiseExcerpt(folder["noise.wav"], 0.25, 0.5)).Apply(sound);
        float[] added = [.. mixed.Zip(sound, (y, x) => y - x)];
        float[] excerpt = AudioFile.Read(folder["noise.wav"])[6000..22000];
        Assert.That(Level(added), Is.EqualTo(0.5 * Level(sound)).Within(1e-6));
        double factor = Level(added) / Level(excerpt);
        Assert.That(added, Is.EqualTo(excerpt.Select(n => (float)(n * factor))).Within(1e-6), "a quarter of the 24001 places on");
    }

    [Test]
    public void Apply_Silence_StaysSilent()
    {
        WavWriter.Write(folder["noise.wav"], Sounds.Noise(40000, 0.9));
        WavWriter.Write(folder["silence.wav"], new float[40000]);
        var silence = new float[2000];
        Assert.That(new AudioChange(0.9, 6, new NoiseExcerpt(folder["noise.wav"], 0, 0.5)).Apply(silence), Has.All.EqualTo(0f));
        float[] sound = Sounds.Noise(2000, 0.3);
        Assert.That(new AudioChange(Noise: new NoiseExcerpt(folder["silence.wav"], 0, 0.5)).Apply(sound), Is.EqualTo(sound));
    }

    [Test]
    public void Apply_LeavesItsInput()
    {
        float[] sound = Sounds.Noise(2000, 0.3);
        WavWriter.Write(folder["noise.wav"], Sounds.Noise(900, 0.9));
        foreach (AudioChange change in new AudioChange[] { new(0.9), new(1, 3), new(Noise: new NoiseExcerpt(folder["noise.wav"], 0.5, 0.5)) })
        {
            Assert.That(change.Apply(sound), Is.Not.EqualTo(sound));
            Assert.That(sound, Is.EqualTo(Sounds.Noise(2000, 0.3)));
        }
    }

    [TestCase(0, 1000, 0)]
    [TestCase(0.999999, 1000, 2000)]
    [TestCase(0.999999, 3000, 0)]
    public void Excerpt_StartsAtEveryPlaceWhereItFits(double position, int samples, int start)
    {
        float[] noise = Sounds.Noise(3000, 0.9);
        WavWriter.Write(folder["noise.wav"], noise);
        float[] read = AudioFile.Read(folder["noise.wav"]);
        Assert.That(NoiseFolder.Excerpt(folder["noise.wav"], position, samples), Is.EqualTo(read[start..(start + samples)]));
    }

    [Test]
    public void Excerpt_OfAShortRecording_RepeatsIt()
    {
        WavWriter.Write(folder["noise.wav"], Sounds.Noise(400, 0.9));
        float[] read = AudioFile.Read(folder["noise.wav"]);
        Assert.That(NoiseFolder.Excerpt(folder["noise.wav"], 0.75, 1000), Is.EqualTo((float[])[.. read[300..], .. read, .. read, .. read[..100]]));
    }

    /// <summary>Two links that lead up make paths without end: of each their number doubles at every step.</summary>
    [Test]
    [CancelAfter(30_000)]
    public void Open_LinksToFolders_AreNotFollowed(CancellationToken cancellation)
    {
        folder.Write("noise/a/b.wav", WavBytes.Make(WavBytes.Pcm, 16, 1, 16000, new byte[800]));
        foreach (string link in new[] { "noise/a/up", "noise/a/again" })
            Directory.CreateSymbolicLink(folder[link], "..");
        NoiseFolder noise = Task.Run(() => NoiseFolder.Open(folder["noise"]), cancellation).WaitAsync(cancellation).GetAwaiter().GetResult();
        Assert.That(noise.Files, Is.EqualTo(new[] { folder["noise/a/b.wav"] }));
        Assert.That(noise.Links, Is.EqualTo(new[] { folder["noise/a/again"], folder["noise/a/up"] }));
    }

    [Test]
    public void Open_ListsSubfoldersInOrder_AndRefusesWhatIsDamaged()
    {
        WavWriter.Write(folder["b.wav"], Sounds.Noise(400, 0.9));
        folder.Write("a/x.WAV", File.ReadAllBytes(folder["b.wav"]));
        folder.Write("readme.txt", "no noise");
        Assert.That(NoiseFolder.Open(folder.Path).Files, Is.EqualTo(new[] { folder["a/x.WAV"], folder["b.wav"] }));
        folder.Write("c.wav", "RIFF");
        Assert.That(() => NoiseFolder.Open(folder.Path), WavReaderTests.IsOneLine(folder["c.wav"], "truncated"));
        Assert.That(() => NoiseFolder.Open(folder["none"]), WavReaderTests.IsOneLine(folder["none"], "no such folder"));
        Directory.CreateDirectory(folder["empty"]);
        Assert.That(() => NoiseFolder.Open(folder["empty"]), Throws.TypeOf<InputException>().With.Message.Contains("no WAV or FLAC"));
    }

    private NoiseFolder Noises(int count)
    {
        for (int i = 0; i < count; i++)
            WavWriter.Write(folder[$"noise{i}.wav"], Sounds.Noise(400, 0.9, i + 1));
        return NoiseFolder.Open(folder.Path);
    }

    private static double Level(float[] sound) => Math.Sqrt(sound.Average(sample => (double)sample * sample));

    /// <summary>Mean and extent of a uniform distribution; the mean's tolerance is five standard deviations of 1600 draws.</summary>
    private static void AssertUniform(IEnumerable<double> values, double low, double high)
    {
        double[] all = [.. values];
        Assert.That(all, Has.All.InRange(low, high));
        Assert.That(all.Average(), Is.EqualTo((low + high) / 2).Within(0.037 * (high - low)));
        Assert.That(all.Min(), Is.LessThan(low + 0.01 * (high - low)));
        Assert.That(all.Max(), Is.GreaterThan(high - 0.01 * (high - low)));
    }
}
