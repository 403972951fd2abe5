using System.Text;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>A folder with a few utterances as MFCC files, random but the same every time, and a manifest; deleted afterwards.</summary>
internal sealed class TinyCorpus : IDisposable
{
    private static readonly string[] Texts = ["YES", "NO", "STOP", "A B", "GO", "IT'S", "ON"];

    /// <summary>Makes the folder.</summary>
    /// <param name="shortest">Frames of the first utterance; each of the others has seven more than the one before.</param>
    public TinyCorpus(int shortest = 60)
    {
        Folder = Directory.CreateTempSubdirectory("ds2-test-").FullName;
        var random = new Random(17);
        var lines = new List<string>();
        for (int i = 0; i < Texts.Length; i++)
        {
            int frames = shortest + 7 * i;
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

    /// <summary>The command line that trains a tiny model on it, in a folder beside it. The rate of a step does not depend on the number of epochs, so that a run cut short is the beginning of a longer one.</summary>
    public string[] TrainArguments(string folder) =>
    [
        "train", "--train-manifest", Manifest, "--val-manifest", Manifest, "--out", PathOf(folder), "--device", "host", "--set", "features=mfcc-raw",
        "--set", "channels=2", "--set", "hidden=6", "--set", "layers=1", "--set", "batch=2", "--set", "schedule=anneal", "--set", "lr=0.001", "--set", "warmupSteps=0",
    ];

    /// <summary>Has the first utterance, of 60 frames, go on for so many: a sparse file in place of a recording of days.</summary>
    /// <param name="frames">Frames of 10 ms.</param>
    public void MakeFirstLong(int frames)
    {
        string small = Encoding.Latin1.GetString(File.ReadAllBytes(PathOf("0.npy")));
        string header = small[..(small.IndexOf('\n', StringComparison.Ordinal) + 1)];
        string large = header.Replace("(60, 13)", $"({frames}, 13)", StringComparison.Ordinal);
        using FileStream file = File.Create(PathOf("0.npy"));
        // The larger number takes the place of some of the spaces that end the header.
        file.Write(Encoding.Latin1.GetBytes(string.Concat(large.AsSpan(0, header.Length - 1), "\n")));
        file.SetLength(file.Length + frames * 13L * sizeof(float));
    }

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
