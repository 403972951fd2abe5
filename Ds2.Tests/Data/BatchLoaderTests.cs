using System.Security.Cryptography;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;

namespace Ds2.Tests.Data;

public sealed class BatchLoaderTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Epoch_PadsWithZerosAfterNormalising()
    {
        Corpus corpus = folder.LoadNoise(1600, 800, 2400, 3200, 400);
        using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.Mfcc), 3, BatchOrder.Sorted, seed: 1);
        Batch[] batches = [.. loader.Epoch(0)];
        Assert.That(loader.BatchesPerEpoch, Is.EqualTo(2));
        Assert.That(batches.Select(b => b.Index), Is.EqualTo(new[] { 0, 1 }));
        Assert.That(batches[0].Utterances.Select(u => u.Id), Is.EqualTo(new[] { "u4", "u1", "u0" }));
        Assert.That(batches[0].Frames, Is.EqualTo(new[] { 3, 6, 11 }));
        Assert.That(batches[0], Has.Property("MaxFrames").EqualTo(11).And.Property("Rows").EqualTo(161).And.Property("AudioSeconds").EqualTo(0.175).Within(1e-12));

        var extractor = new FeatureExtractor(FeatureKind.Mfcc);
        foreach (Batch batch in batches)
        {
            Assert.That(batch.Features.ToArray(), Has.Length.EqualTo(batch.Utterances.Count * batch.Rows * batch.MaxFrames));
            for (int n = 0; n < batch.Utterances.Count; n++)
            {
                FeatureMatrix alone = extractor.Normalize(extractor.FromFile(batch.Utterances[n].AudioPath));
                for (int row = 0; row < batch.Rows; row++)
                {
                    float[] padded = batch.Features.ToArray()[((n * batch.Rows + row) * batch.MaxFrames)..][..batch.MaxFrames];
                    Assert.That(padded[..alone.Frames], Is.EqualTo(alone.Row(row).ToArray()));
                    Assert.That(padded[alone.Frames..], Has.All.EqualTo(0f));
                }
            }
        }
    }

    [TestCase(1, 1)]
    [TestCase(2, 4)]
    [TestCase(5, 3)]
    public void Epoch_IsTheSameForAnyNumberOfThreads(int workers, int prefetch)
    {
        Corpus corpus = folder.LoadNoise([.. Enumerable.Range(0, 23).Select(i => 300 + 160 * (i * 7 % 23))]);
        using var one = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.MfccRaw), 2, BatchOrder.Shuffled, 3, workers: 1, prefetch: 1, cacheBytes: 0);
        using var many = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.MfccRaw), 2, BatchOrder.Shuffled, 3, workers, prefetch);
        for (int epoch = 0; epoch < 3; epoch++)
        {
            Batch[] expected = [.. one.Epoch(epoch)], actual = [.. many.Epoch(epoch)];
            Assert.That(actual.Select(b => b.Index), Is.EqualTo(Enumerable.Range(0, 12)));
            Assert.That(actual.Select(b => b.Features.ToArray()), Is.EqualTo(expected.Select(b => b.Features.ToArray())));
            Assert.That(many.Epoch(epoch, 7).Select(b => b.Features.ToArray()), Is.EqualTo(expected[7..].Select(b => b.Features.ToArray())), "continued at batch 7");
        }
        Assert.That(many.Epoch(0, 12), Is.Empty);
    }

    /// <summary>Eleven batches, four steps, of which one has two batches.</summary>
    [Test]
    public void Epoch_OfSteps_StartsAtAnyOfThem()
    {
        Corpus corpus = folder.LoadNoise([.. Enumerable.Range(0, 22).Select(i => 800 + 160 * i)]);
        using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.MfccRaw), 2, BatchOrder.Shuffled, 3) { Accumulate = 3 };
        Batch[] all = [.. loader.Epoch(1)];
        Assert.That((loader.BatchesPerEpoch, loader.StepsPerEpoch), Is.EqualTo((11, 4)));
        Assert.That(all.Sum(batch => batch.Part.IsLast ? batch.Part.Utterances : 0), Is.EqualTo(22));
        for (int step = 0, first = 0; step <= 4; step++)
        {
            Assert.That(loader.Epoch(1, step).Select(batch => batch.Features.ToArray()), Is.EqualTo(all[first..].Select(batch => batch.Features.ToArray())), $"from step {step}");
            first += step < 4 ? all[first].Part.Of : 0;
        }
    }

    /// <summary>Checkpoints know the digest: that of batches each of which is a step must stay.</summary>
    [Test]
    public void PlanOf_IsOfUtterancesBatchesAndSteps()
    {
        Corpus corpus = folder.LoadNoise(800, 960, 1120, 1280, 1440);
        string Plan(int batch, int accumulate)
        {
            using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.MfccRaw), batch, BatchOrder.Sorted, 3) { Accumulate = accumulate };
            return loader.PlanOf(0);
        }

        Assert.That(Plan(2, 1), Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData("u0\nu1\n\nu2\nu3\n\nu4\n\n"u8))));
        Assert.That(new[] { Plan(2, 1), Plan(2, 2), Plan(2, 3), Plan(4, 1), Plan(1, 2) }, Is.Unique);
    }

    /// <summary>A consumer that gives each batch back gets the same features as one that keeps them all, from memory that is used again.</summary>
    [Test]
    public void Epoch_ReleasedBatches_GiveTheirMemoryToOthers()
    {
        Corpus corpus = folder.LoadNoise([.. Enumerable.Range(0, 40).Select(i => 1600 + 160 * (i % 2))]);
        using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.Mfcc), 2, BatchOrder.Shuffled, 3, cacheBytes: 0);
        float[][] kept = [.. loader.Epoch(1).Select(batch => batch.Features.ToArray())];
        var arrays = new HashSet<float[]>();
        var seen = new List<float[]>();
        foreach (Batch batch in loader.Epoch(1))
        {
            seen.Add(batch.Features.ToArray());
            System.Runtime.InteropServices.MemoryMarshal.TryGetArray(batch.Features, out ArraySegment<float> segment);
            arrays.Add(segment.Array!);
            batch.Release();
            batch.Release();
            Assert.That(() => batch.Features, Throws.TypeOf<ObjectDisposedException>());
        }
        Assert.That(seen, Is.EqualTo(kept));
        Assert.That(arrays, Has.Count.LessThan(8), "of twenty batches, those in work");
    }

    [Test]
    public void Epoch_CachedFeaturesNeedNoFile()
    {
        Corpus corpus = folder.LoadNoise(800, 1600);
        using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.Mfcc), 1, BatchOrder.Sorted, 1);
        float[][] first = [.. loader.Epoch(0).Select(b => b.Features.ToArray())];
        File.Delete(folder["u0.wav"]);
        File.Delete(folder["u1.wav"]);
        Assert.That(loader.Epoch(1).Select(b => b.Features.ToArray()), Is.EqualTo(first));
    }

    /// <summary>Tempo, gain, noise and masks at once; the budget of frames makes batches of several sizes.</summary>
    [TestCase(1, 1)]
    [TestCase(3, 5)]
    public void Epoch_Augmented_DependsOnSeedEpochAndUtteranceAlone(int workers, int prefetch)
    {
        Corpus corpus = folder.LoadNoise([.. Enumerable.Range(0, 15).Select(i => 3000 + 800 * (i * 7 % 15))]);
        Directory.CreateDirectory(folder["noise"]);
        Runtime.Audio.WavWriter.Write(folder["noise/n.wav"], Audio.Sounds.Noise(20000, 0.5, 99));
        using BatchLoader one = Loader(seed: 3, 1, 2), many = Loader(seed: 3, workers, prefetch), other = Loader(seed: 4, 1, 2);
        Batch[] expected = [.. one.Epoch(1)];
        Assert.That(expected.Select(batch => batch.Utterances.Count).Distinct().Count(), Is.GreaterThan(2));
        Assert.That(many.Epoch(1).Select(b => b.Features.ToArray()), Is.EqualTo(expected.Select(b => b.Features.ToArray())));
        Assert.That(many.Epoch(1, 2).Select(b => b.Features.ToArray()), Is.EqualTo(expected[2..].Select(b => b.Features.ToArray())), "continued at batch 2");
        Assert.That(many.Epoch(0).Select(b => b.Features.ToArray()), Is.Not.EqualTo(expected.Select(b => b.Features.ToArray())));
        Assert.That(other.Epoch(1).Select(b => b.Features.ToArray()), Is.Not.EqualTo(expected.Select(b => b.Features.ToArray())));

        BatchLoader Loader(int seed, int workers, int prefetch) =>
            new(corpus, new FeatureExtractor(FeatureKind.MfccRaw), 1, BatchOrder.Shuffled, seed, workers, prefetch, new SpecAugment(1, 5, 1, 2))
            {
                BatchFrames = 250,
                Audio = new AudioAugment(TempoAndGain: true, NoiseFolder.Open(folder["noise"])),
            };
    }

    [Test]
    public void Epoch_ByFrames_StaysWithinTheBudgetAndLargest_AtAnyTempo()
    {
        Corpus corpus = folder.LoadNoise([.. Enumerable.Range(0, 20).Select(i => 1600 * (1 + i % 10)), 32000]);
        using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.MfccRaw), 1, BatchOrder.Sorted, 1)
        {
            BatchFrames = 150,
            Audio = new AudioAugment(TempoAndGain: true),
        };
        for (int epoch = 0; epoch < 3; epoch++)
        {
            Batch[] batches = [.. loader.Epoch(epoch)];
            Assert.That(batches.SelectMany(batch => batch.Utterances), Is.EqualTo(corpus.Utterances));
            Assert.That(batches, Has.Length.EqualTo(loader.BatchesPerEpoch));
            foreach (Batch batch in batches)
            {
                Assert.That(batch.Utterances.Count * batch.MaxFrames <= 150 || batch.Utterances.Count == 1, $"{batch.Utterances.Count} x {batch.MaxFrames}");
                Assert.That(loader.Largest.Any(size => size.Utterances >= batch.Utterances.Count && size.Frames >= batch.MaxFrames), Is.True);
            }
        }
    }

    [Test]
    public void Epoch_WithAStore_ReadsNoRecordingTwice()
    {
        Corpus corpus = folder.LoadNoise(800, 1600);
        (float[][] Features, FeatureStore Store) Read()
        {
            var store = new FeatureStore(folder["cache"]);
            using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.Mfcc), 1, BatchOrder.Sorted, 1, cacheBytes: 0) { Store = store };
            return ([.. loader.Epoch(0).Select(b => b.Features.ToArray())], store);
        }

        (float[][] first, FeatureStore stored) = Read();
        (float[][] second, FeatureStore found) = Read();
        Assert.That(second, Is.EqualTo(first));
        Assert.That((stored.Stored, stored.Hits, found.Stored, found.Hits), Is.EqualTo((2, 0, 0, 2)));
    }

    [Test]
    public void FeatureCache_StaysWithinItsBudget()
    {
        var cache = new FeatureCache(100);
        FeatureMatrix small = new(new float[10], 1, 10), large = new(new float[20], 1, 20);
        cache.Offer(0, small);
        cache.Offer(1, large);
        cache.Offer(0, small);
        cache.Offer(2, small);
        Assert.That((cache.Find(0), cache.Find(1), cache.Find(2), cache.Bytes), Is.EqualTo((small, (FeatureMatrix?)null, small, 80L)));
    }

    [Test]
    public void Epoch_UnreadableFile_ThrowsInItsPlace()
    {
        Corpus corpus = folder.LoadNoise(800, 1000, 1200, 1400);
        File.WriteAllText(folder["u2.wav"], "RIFF, but not really");
        using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.Mfcc), 1, BatchOrder.Sorted, 1);
        var seen = new List<string>();
        Assert.That(() => seen.AddRange(loader.Epoch(0).Select(b => b.Utterances[0].Id)), Throws.TypeOf<InputException>().With.Message.Contains("u2.wav"));
        using IEnumerator<Batch> batches = loader.Epoch(0).GetEnumerator();
        Assert.That(batches.MoveNext() && batches.MoveNext(), Is.True, "the batches before it come");
    }

    [Test]
    public void Epoch_LeftEarly_EndsTheThreads()
    {
        Corpus corpus = folder.LoadNoise([.. Enumerable.Repeat(1600, 40)]);
        using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.Mfcc), 1, BatchOrder.Sorted, 1, workers: 3, prefetch: 2);
        foreach (Batch batch in loader.Epoch(0))
        {
            if (batch.Index == 1)
                break;
        }
        Assert.That(loader.Epoch(0).Count(), Is.EqualTo(40), "and the loader still serves");
    }

    [Test]
    public void Dispose_EndsOpenEpochs()
    {
        var loader = new BatchLoader(folder.LoadNoise(800, 800, 800), new FeatureExtractor(FeatureKind.Mfcc), 1, BatchOrder.Sorted, 1);
        using IEnumerator<Batch> batches = loader.Epoch(0).GetEnumerator();
        Assert.That(batches.MoveNext(), Is.True);
        loader.Dispose();
        Assert.That(() => batches.MoveNext(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => loader.Epoch(0), Throws.TypeOf<ObjectDisposedException>());
    }

    /// <summary>A set that is scored counts a recording in which nothing can be heard.</summary>
    [Test]
    public void Epoch_RecordingTooShortForAFrame_HasNone()
    {
        Corpus corpus = folder.LoadNoise(200, 3200);
        using var loader = new BatchLoader(corpus, new FeatureExtractor(FeatureKind.Mfcc), 2, BatchOrder.Sorted, seed: 1);
        Batch batch = loader.Epoch(0).Single();
        Assert.That(batch.Frames, Is.EqualTo(new[] { 0, 21 }));
        Assert.That(batch.Features.Span[..(batch.Rows * batch.MaxFrames)].ToArray(), Is.All.Zero);
    }
}
