using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Audio;

/// <summary>Another sample rate for sound in pieces.</summary>
public sealed class SoundResamplerTests
{
    [TestCase(8000)]
    [TestCase(16000)]
    [TestCase(22050)]
    [TestCase(44100)]
    [TestCase(48000)]
    public void Accept_RandomPieces_GivesTheWholesSamples(int rate)
    {
        foreach (int length in (int[])[1, 50, 5003])
        {
            float[] sound = Sounds.Noise(length, 0.4);
            float[] whole = rate == 16000 ? sound : Resampler.For(rate, 16000).Resample(sound);
            foreach (int largest in (int[])[1, 30, 3000])
            {
                var pieces = new List<float>();
                var resampler = new SoundResampler(rate, 16000);
                var random = new Random(largest);
                for (int first = 0, some; first < length; first += some)
                {
                    some = Math.Min(length - first, random.Next(1, largest + 1));
                    pieces.AddRange(resampler.Accept(sound.AsSpan(first, some)));
                }

                int before = pieces.Count;
                pieces.AddRange(resampler.Finish());
                Compare.BitEqual([.. pieces], whole, $"{length} samples of {rate} Hz in pieces up to {largest}");
                Assert.That(before, Is.GreaterThanOrEqualTo((int)(whole.Length - resampler.Delay * 16000 - 1)), "no later than the delay says");
            }
        }
    }

    [Test]
    public void New_RatesInNoSimpleRatio_AreRefused() => Assert.That(() => new SoundResampler(767999, 16000), Throws.TypeOf<InputException>());
}
