using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Text;

namespace Ds2.Bench.Data;

/// <summary><c>loader</c>: how many seconds of speech a second the loader reads, with and without augmentation and feature cache.</summary>
internal static class LoaderCommand
{
    private const int Rounds = 3;

    public static Command Create()
    {
        var manifest = new Option<string>("--manifest") { Description = "lines 'audio path,text path'", Required = true, HelpName = "FILE" };
        FeatureKind[] kinds = Enum.GetValues<FeatureKind>();
        var features = new Option<string>("--features") { Description = "what is made of the sound", DefaultValueFactory = _ => FeatureKind.Mfcc.Name() };
        features.AcceptOnlyFromAmong([.. kinds.Select(kind => kind.Name())]);
        var workers = new Option<int>("--workers") { Description = "threads", DefaultValueFactory = _ => BatchLoader.DefaultWorkers }.AtLeastOne();
        var noise = new Option<string?>("--noise") { Description = "a folder of noise; without it none is mixed in", HelpName = "DIR" };
        var command = new Command("loader", "What the loader reads, in seconds of speech a second, the best of three epochs.") { manifest, features, workers, noise };
        command.SetAction(parsed => Run(
            Corpus.Load(parsed.GetRequiredValue(manifest), Alphabet.English), kinds.First(kind => kind.Name() == parsed.GetValue(features)), parsed.GetValue(workers), parsed.GetValue(noise)));
        return command;
    }

    private static int Run(Corpus corpus, FeatureKind features, int workers, string? noise)
    {
        Console.WriteLine($"{corpus.Utterances.Count} utterances, {corpus.TotalSeconds / 60:F1} minutes, {workers} threads, features {features.Name()}");
        float[][] sounds = [.. corpus.Utterances.Take(200).Select(utterance => AudioFile.Read(utterance.AudioPath))];
        double seconds = sounds.Sum(sound => (double)sound.Length) / AudioFile.SampleRate;
        foreach (double tempo in new[] { 0.85, 1.15 })
        {
            Row($"tempo {tempo.ToString(CultureInfo.InvariantCulture)} alone, one thread", seconds, () =>
            {
                foreach (float[] sound in sounds)
                    TimeStretch.Apply(sound, tempo);
            });
        }

        Row("reading alone, one thread", seconds, () =>
        {
            foreach (Utterance utterance in corpus.Utterances.Take(sounds.Length))
                AudioFile.Read(utterance.AudioPath);
        });
        using (BatchLoader plain = Loader(null, null))
            Row("features", corpus.TotalSeconds, () => Read(plain));
        using (BatchLoader augmented = Loader(new AudioAugment(TempoAndGain: true, noise is null ? null : NoiseFolder.Open(noise)), null))
            Row(noise is null ? "features, tempo and gain" : "features, tempo, gain and noise", corpus.TotalSeconds, () => Read(augmented));

        DirectoryInfo folder = Directory.CreateTempSubdirectory("ds2-loader-");
        try
        {
            int round = 0;
            Row("features, stored", corpus.TotalSeconds, () =>
            {
                using BatchLoader storing = Loader(null, new FeatureStore(Path.Combine(folder.FullName, $"{round++}")));
                Read(storing);
            });
            using BatchLoader found = Loader(null, new FeatureStore(Path.Combine(folder.FullName, "0")));
            Row("features, found in the cache", corpus.TotalSeconds, () => Read(found));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        return 0;

        BatchLoader Loader(AudioAugment? audio, FeatureStore? store) =>
            new(corpus, new FeatureExtractor(features), 8, BatchOrder.Sorted, seed: 1, workers, cacheBytes: 0) { Audio = audio, Store = store };
    }

    private static void Read(BatchLoader loader)
    {
        foreach (Batch batch in loader.Epoch(0))
        {
            if (!float.IsFinite(batch.Features.Span[0]))
                throw new InputException($"batch {batch.Index} is not finite");
            batch.Release();
        }
    }

    private static void Row(string name, double audioSeconds, Action work)
    {
        double best = double.PositiveInfinity;
        long allocated = 0;
        int collections = 0;
        TimeSpan pause = default;
        for (int round = 0; round < Rounds; round++)
        {
            (allocated, collections, pause) = (GC.GetTotalAllocatedBytes(), GC.CollectionCount(2), GC.GetTotalPauseDuration());
            long start = Stopwatch.GetTimestamp();
            work();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            (allocated, collections, pause) = (GC.GetTotalAllocatedBytes() - allocated, GC.CollectionCount(2) - collections, GC.GetTotalPauseDuration() - pause);
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name,-34} {audioSeconds / best,9:F0} s/s {allocated / audioSeconds / 1000,8:F0} kB of garbage/s {collections,4} full collections, {pause.TotalMilliseconds,4:F0} ms of pauses"));
    }
}
