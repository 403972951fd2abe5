using System.Text.Json;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Features;

public sealed class FeatureExtractorTests
{
    /// <summary>Decibels of the coefficients; the same for log magnitudes, where it is far stricter.</summary>
    private const double Tolerance = 1e-3;

    /// <summary>One case of feature_goldens.json; make_feature_goldens.py beside it says what the numbers are.</summary>
    public sealed record Golden(string Signal, int Samples, int Frames, double[] MfccRaw, double[] Mfcc, double[] Spectrogram, double[] Normalised)
    {
        public override string ToString() => Signal;
    }

    private sealed record GoldenFile(Golden[] Cases);

    private static readonly JsonSerializerOptions Names = new(JsonSerializerDefaults.Web);

    private static Golden[] Goldens() =>
        JsonSerializer.Deserialize<GoldenFile>(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Goldens", "feature_goldens.json")), Names)!.Cases;

    /// <summary>The signals of make_feature_goldens.py.</summary>
    private static float[] Signal(Golden golden) => golden.Signal switch
    {
        "noise" => Sounds.Noise(4000, 0.1),
        "chirp" => Time(8000, t => 0.5 * Math.Sin(2 * Math.PI * (100 * t + 3500 * t * t))),
        "tones" => Time(5001, t => 0.3 * Math.Sin(2 * Math.PI * 440 * t) + 0.05 * Math.Sin(2 * Math.PI * 3000 * t)),
        "click" => [.. Enumerable.Range(0, 3200).Select(i => i == 1600 ? 0.9f : 0)],
        "shortest" => Sounds.Noise(257, 0.2, 7),
        _ => throw new ArgumentException(golden.Signal),
    };

    private static float[] Time(int count, Func<double, double> signal) => [.. Enumerable.Range(0, count).Select(i => (float)signal(i / 16000.0))];

    [TestCaseSource(nameof(Goldens))]
    public void Extract_MatchesTorchaudio(Golden golden)
    {
        float[] samples = Signal(golden);
        Assert.That(samples, Has.Length.EqualTo(golden.Samples));

        FeatureMatrix raw = new FeatureExtractor(FeatureKind.MfccRaw).Extract(samples);
        Assert.That((raw.Rows, raw.Frames), Is.EqualTo((13, golden.Frames)));
        Assert.That(raw.Values, Is.EqualTo(golden.MfccRaw).Within(Tolerance));

        FeatureMatrix envelope = new FeatureExtractor(FeatureKind.Mfcc).Extract(samples);
        Assert.That((envelope.Rows, envelope.Frames), Is.EqualTo((161, golden.Frames)));
        Assert.That(EverySeventh(envelope), Is.EqualTo(golden.Mfcc).Within(Tolerance));

        var spectrogram = new FeatureExtractor(FeatureKind.Spectrogram);
        FeatureMatrix magnitudes = spectrogram.Extract(samples);
        Assert.That((magnitudes.Rows, magnitudes.Frames), Is.EqualTo((161, golden.Frames)));
        Assert.That(EverySeventh(magnitudes), Is.EqualTo(golden.Spectrogram).Within(Tolerance / 100));
        Assert.That(EverySeventh(spectrogram.Normalize(magnitudes)), Is.EqualTo(golden.Normalised).Within(Tolerance / 10));
    }

    /// <summary>The goldens' coefficients are the cosine transform of the 40 filters' levels; 80 filters share their frequencies.</summary>
    [TestCaseSource(nameof(Goldens))]
    public void Extract_OfAFilterBank_IsWhatTheCoefficientsAreMadeOf(Golden golden)
    {
        FeatureMatrix levels = new FeatureExtractor(FeatureKind.Fbank40).Extract(Signal(golden));
        for (int c = 0; c < 13; c++)
        {
            for (int t = 0; t < levels.Frames; t++)
            {
                double sum = 0;
                for (int m = 0; m < 40; m++)
                    sum += Math.Sqrt((c == 0 ? 1.0 : 2.0) / 40) * Math.Cos(Math.PI * c * (2 * m + 1) / 80) * levels.Row(m)[t];
                Assert.That(sum, Is.EqualTo(golden.MfccRaw[c * levels.Frames + t]).Within(Tolerance), $"coefficient {c}, frame {t}");
            }
        }
    }

    [TestCase(FeatureKind.Fbank40)]
    [TestCase(FeatureKind.Fbank80)]
    public void Normalize_OfAFilterBank_GoesByRow_AndCoefficientsDoNotHoldOne(FeatureKind kind)
    {
        var extractor = new FeatureExtractor(kind);
        FeatureMatrix features = extractor.Normalize(extractor.Extract(Sounds.Noise(8000, 0.3)));
        for (int row = 0; row < features.Rows; row++)
        {
            float[] values = features.Row(row).ToArray();
            Assert.That(values.Average(value => (double)value), Is.EqualTo(0).Within(1e-5));
            Assert.That(values.Sum(value => (double)value * value) / (values.Length - 1), Is.EqualTo(1).Within(1e-4));
        }

        Assert.That(() => extractor.FromCoefficients(new float[26], 2), Throws.TypeOf<InputException>().With.Message.Contains(kind.ToString().ToLowerInvariant()));
    }

    private static float[] EverySeventh(FeatureMatrix features) => [.. features.Values.Where((_, i) => i % 7 == 0)];

    [TestCase(FeatureKind.Mfcc, 161)]
    [TestCase(FeatureKind.MfccRaw, 13)]
    [TestCase(FeatureKind.Spectrogram, 161)]
    [TestCase(FeatureKind.Fbank40, 40)]
    [TestCase(FeatureKind.Fbank80, 80)]
    public void Extract_FrameCounts(FeatureKind kind, int rows)
    {
        var extractor = new FeatureExtractor(kind);
        Assert.That(extractor.Rows, Is.EqualTo(rows));
        foreach (int samples in new[] { 257, 319, 320, 321, 479, 480, 2559, 2560, 2561 })
        {
            FeatureMatrix features = extractor.Extract(Sounds.Noise(samples, 0.3));
            Assert.That(features.Frames, Is.EqualTo(samples / 160 + 1));
            Assert.That(features.Values, Has.Length.EqualTo(rows * features.Frames));
            Assert.That(features.Values, Has.All.Matches<float>(float.IsFinite));
        }
    }

    [TestCase(FeatureKind.Mfcc, 256)]
    [TestCase(FeatureKind.MfccRaw, 256)]
    [TestCase(FeatureKind.Spectrogram, 160)]
    public void Extract_TooShort_SaysSo(FeatureKind kind, int samples)
    {
        var extractor = new FeatureExtractor(kind);
        Assert.That(() => extractor.Extract(new float[samples]), Throws.TypeOf<InputException>().With.Message.Contains($"at least {samples + 1}"));
        Assert.That(() => extractor.Extract(new float[samples + 1]), Throws.Nothing);

        using var folder = new TempFolder();
        WavWriter.Write(folder["short.wav"], new float[samples]);
        Assert.That(() => extractor.FromFile(folder["short.wav"]), WavReaderTests.IsOneLine(folder["short.wav"], "too short"));
    }

    [TestCase(FeatureKind.Mfcc)]
    [TestCase(FeatureKind.MfccRaw)]
    [TestCase(FeatureKind.Spectrogram)]
    public void Normalize_Silence_IsZero(FeatureKind kind)
    {
        var extractor = new FeatureExtractor(kind);
        Assert.That(extractor.Normalize(extractor.Extract(new float[4000])).Values, Has.All.EqualTo(0f));
    }

    [Test]
    public void Normalize_WholeOrRowByRow()
    {
        static double Mean(ReadOnlySpan<float> values) => values.ToArray().Average();
        static double Deviation(ReadOnlySpan<float> values)
        {
            double mean = Mean(values);
            return Math.Sqrt(values.ToArray().Sum(v => (v - mean) * (v - mean)) / (values.Length - 1));
        }

        float[] samples = Sounds.Noise(5000, 0.2);
        var whole = new FeatureExtractor(FeatureKind.Mfcc);
        FeatureMatrix features = whole.Normalize(whole.Extract(samples));
        Assert.That(Mean(features.Values), Is.EqualTo(0).Within(1e-5));
        Assert.That(Deviation(features.Values), Is.EqualTo(1).Within(1e-5));

        var rows = new FeatureExtractor(FeatureKind.MfccRaw);
        features = rows.Normalize(rows.Extract(samples));
        for (int row = 0; row < features.Rows; row++)
        {
            Assert.That(Mean(features.Row(row)), Is.EqualTo(0).Within(1e-5));
            Assert.That(Deviation(features.Row(row)), Is.EqualTo(1).Within(1e-5));
        }
    }

    [Test]
    public void Extract_OnManyThreads_IsTheSame()
    {
        var extractor = new FeatureExtractor(FeatureKind.Mfcc);
        float[] samples = Sounds.Noise(9000, 0.3);
        float[] alone = extractor.Extract(samples).Values;
        // Other lengths in between leave other values in the rented buffers.
        Parallel.For(0, 32, i =>
        {
            extractor.Extract(Sounds.Noise(300 + 777 * i, 0.9, i + 1));
            Assert.That(extractor.Extract(samples).Values, Is.EqualTo(alone));
        });
    }
}
