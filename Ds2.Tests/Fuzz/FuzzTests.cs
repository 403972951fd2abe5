using System.Text;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.LibriSpeech.Dataset;
using Ds2.Runtime.Data.LibriSpeech.Download;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Safetensors;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;
using Ds2.Tests.Data.Download;
using Ds2.Tests.Decoding.LanguageModels;

namespace Ds2.Tests.Fuzz;

/// <summary>Every reader of files against damaged ones; docs/reliability.md says how to run many more cases than the suite does.</summary>
public sealed class FuzzTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Wav()
    {
        byte[] data = WavBytes.Shorts(Sounds.Shorts(Sounds.Noise(2400, 0.5)));
        FuzzRun.Run(
            folder["a.wav"],
            [
                WavBytes.Make(WavBytes.Pcm, 16, 1, 16000, data), WavBytes.Make(WavBytes.Pcm, 24, 2, 44100, data[..^(data.Length % 6)], extensible: true),
                WavBytes.Make(WavBytes.Float, 32, 1, 8000, new byte[3200], before: 5), WavBytes.Make(WavBytes.MuLaw, 8, 1, 8000, data),
            ],
            ReadSound);
    }

    [Test]
    public void Flac()
    {
        Sounds.RequireSndFile();
        FuzzRun.Run(
            folder["a.flac"],
            [FlacBytes.Make(Sounds.Shorts(Sounds.Noise(600, 0.5))), FlacBytes.Make(Sounds.Shorts(Sounds.Noise(2400, 0.5)), 44100, 2), FlacBytes.Make(new short[5000], md5: false)],
            ReadSound);
    }

    [Test]
    public void Npy()
    {
        NpyFile.Write(folder["whole.npy"], Sounds.Noise(20 * 13, 10), 20, 13);
        FuzzRun.Run(folder["a.npy"], [File.ReadAllBytes(folder["whole.npy"])], ReadSound);
    }

    [Test]
    public void Mfc()
    {
        byte[] values = [.. Sounds.Noise(20 * 13, 10).SelectMany(value => BitConverter.GetBytes(value).Reverse())];
        FuzzRun.Run(folder["a.mfc"], [[0, 0, 1, 4, .. values]], ReadSound);
    }

    [Test]
    public void Manifest()
    {
        string whole = folder.WriteNoise(400, 500, 600);
        FuzzRun.Run(folder["a.csv"], [File.ReadAllBytes(whole), Encoding.UTF8.GetBytes($"{folder["u0.wav"]},u1.txt\n\n./u1.wav , ../{Path.GetFileName(folder.Path)}/u0.txt\r\n")], path =>
        {
            ManifestFile.Read(path);
            Corpus.Load(path, Alphabet.English);
        });
    }

    [Test]
    public void Transcript()
    {
        string manifest = folder.WriteNoise(400);
        FuzzRun.Run(folder["u0.txt"], ["IT'S A TEXT\n"u8.ToArray(), "na\u00efve  words\twith tabs"u8.ToArray()], _ => Corpus.Load(manifest, Alphabet.English));
    }

    [Test]
    public void Safetensors()
    {
        SafetensorsFile.Write(folder["whole"], new Dictionary<string, string> { ["epoch"] = "1" },
        [
            SafetensorsEntry.Of<float>("conv.0.weight", [2, 1, 3], new float[6]), SafetensorsEntry.Of<long>("steps", [], new long[1]),
            SafetensorsEntry.Of<byte>("empty", [0, 7], ReadOnlyMemory<byte>.Empty),
        ]);
        SaveCheckpoint(folder["checkpoint"]);
        FuzzRun.Run(folder["a.safetensors"], [File.ReadAllBytes(folder["whole"]), File.ReadAllBytes(folder["checkpoint"])], path =>
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            foreach (SafetensorsTensor tensor in file.Header.Tensors.Where(tensor => tensor.Type == SafetensorsType.F32))
                file.Read<float>(tensor.Name);
        });
    }

    /// <summary>Whole files, their sums right, that say nonsense about the run.</summary>
    [TestCase("ds2.options")]
    [TestCase("ds2.state")]
    public void CheckpointMetadata(string key)
    {
        using var engine = new HostEngine(threads: 1);
        SaveCheckpoint(folder["whole"]);
        using SafetensorsFile whole = SafetensorsFile.Open(folder["whole"]);
        SafetensorsEntry[] tensors =
            [.. whole.Header.Tensors.Select(tensor => SafetensorsEntry.Of<float>(tensor.Name, [.. tensor.Shape], whole.Read<float>(tensor.Name)))];
        FuzzRun.Run(folder["a.json"], [Encoding.UTF8.GetBytes(whole.Header.Metadata[key])], path =>
        {
            var metadata = new Dictionary<string, string>(whole.Header.Metadata) { [key] = Encoding.UTF8.GetString(File.ReadAllBytes(path)) };
            SafetensorsFile.Write(folder["damaged"], metadata, tensors, checksum: true);
            using var checkpoint = Checkpoint.Open(folder["damaged"]);
            checkpoint.Model.Load(engine).Dispose();
        });
    }

    [Test]
    public void Params() => FuzzRun.Run(
        folder["a.json"], [Encoding.UTF8.GetBytes(new RunOptions().ToJson()), """{"hidden": 512, "order": "sortagrad", "lr": 1e-3, "bidirectional": true}"""u8.ToArray()],
        path => RunOptions.Parse(File.ReadAllText(path), path, new RunOptions()));

    [Test]
    public void Checksums()
    {
        var list = new ChecksumList();
        list.Archives["dev-clean.tar.gz"] = TestArchives.Digest([]);
        list.Files["val/wav/1-2-0000.wav"] = TestArchives.Digest([1]);
        list.Write(folder.Path);
        FuzzRun.Run(folder[ChecksumList.FileName], [File.ReadAllBytes(folder[ChecksumList.FileName])], _ => ChecksumList.TryRead(folder.Path));
    }

    [Test]
    public void Digests() => FuzzRun.Run(
        folder["digests"], [Encoding.UTF8.GetBytes($"{TestArchives.Digest([])}  dev-clean.tar.gz\n{TestArchives.Digest([1])} *./train-clean-100.tar.gz\n")],
        path => LibriSpeechArchive.ReadDigests(path));

    [Test]
    public void Arpa() => FuzzRun.Run(
        folder["a.arpa"], [Encoding.UTF8.GetBytes(SmallModel.Random(3, 5, 8, unknown: true, seed: 1).Arpa()), Encoding.UTF8.GetBytes(SmallModel.Random(2, 5, 4, unknown: false, seed: 2).Arpa())], AskModel);

    [Test]
    public void CompiledModel()
    {
        folder.Write("a.arpa", SmallModel.Random(3, 5, 8, unknown: true, seed: 1).Arpa());
        byte[][] wholes = [.. new[] { 8, 32 }.Select(bits =>
        {
            LanguageModelBuilder.Compile(folder["a.arpa"], folder["whole"], bits, NoProgress.Instance);
            return File.ReadAllBytes(folder["whole"]);
        })];
        FuzzRun.Run(folder["a.lm"], wholes, AskModel);
    }

    private static void AskModel(string path)
    {
        using LanguageModel model = LanguageModel.Open(path);
        LanguageState state = model.Begin;
        for (int word = 0; word < model.Count(1); word++)
            model.Score(state, model.WordId(model.Word(word)), out state);
    }

    private static void SaveCheckpoint(string path)
    {
        var options = new RunOptions { Model = new() { Features = FeatureKind.MfccRaw, Channels = 1, Hidden = 2, Layers = 1 } };
        using var engine = new HostEngine(threads: 1);
        using var model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, 1);
        using var optimizer = Optimizer.Create(options.Training, model.Parameters, model.Workspace);
        Checkpoint.Save(path, new ModelDescription(options.Model, Alphabet.English), options, new TrainingState { History = { new EpochReport(0, 1, 1e-4, 100, 100, 90, 0, 0, 1, 0, 0, 10) } }, model, optimizer);
    }

    /// <summary>What training does with a file: its length first, then its features.</summary>
    private static void ReadSound(string path)
    {
        AudioFile.Duration(path);
        new FeatureExtractor(FeatureKind.Mfcc).FromFile(path);
    }
}
