using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>A folder with a few utterances as MFCC files, random but the same every time, and a manifest; deleted afterwards.</summary>
internal sealed class TinyCorpus : IDisposable
{
    private static readonly string[] Texts = ["YES", "NO", "STOP", "A B", "GO", "IT'S", "ON"];

    public TinyCorpus()
    {
        Folder = Directory.CreateTempSubdirectory("ds2-test-").FullName;
        var random = new Random(17);
        var lines = new List<string>();
        for (int i = 0; i < Texts.Length; i++)
        {
            int frames = 60 + 7 * i;
            var values = new float[frames * 13];
            for (int j = 0; j < values.Length; j++)
                values[j] = (float)(20 * random.NextDouble() - 10);
            NpyFile.Write(Path.Combine(Folder, $"{i}.npy"), values, frames, 13);
            File.WriteAllText(Path.Combine(Folder, $"{i}.txt"), Texts[i] + "\n");
            lines.Add($"{i}.npy,{i}.txt");
        }

        Manifest = Path.Combine(Folder, "manifest.csv");
        File.WriteAllLines(Manifest, lines);
    }

    public string Folder { get; }

    public string Manifest { get; }

    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>The command line that trains a tiny model on it, in a folder beside it.</summary>
    public string[] TrainArguments(string folder) =>
    [
        "train", "--train-manifest", Manifest, "--val-manifest", Manifest, "--out", PathOf(folder), "--device", "host", "--set", "features=mfcc-raw",
        "--set", "channels=2", "--set", "hidden=6", "--set", "layers=1", "--set", "batch=2",
    ];

    /// <summary>A checkpoint is whole, and its parameters are numbers.</summary>
    public static void AssertLoads(string checkpoint)
    {
        using var loaded = Checkpoint.Open(checkpoint);
        using var engine = new HostEngine(threads: 1);
        using DeepSpeech2 model = loaded.Model.Load(engine);
        Assert.That(model.Parameters.Values.ToArray(), Is.All.Matches<float>(float.IsFinite));
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
