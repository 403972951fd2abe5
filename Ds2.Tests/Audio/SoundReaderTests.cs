using System.Text;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Tests.Data;
using Ds2.Tests.Transcripts;

namespace Ds2.Tests.Audio;

/// <summary>Sound in blocks is sound as a whole.</summary>
public sealed class SoundReaderTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void Read_IsWhatTheWholeFileGives([Values(16000, 44100, 8000)] int rate, [Values(100, 300_001)] int samples)
    {
        WavWriter.Write(folder["a.wav"], Sounds.Noise(samples, 0.5), rate);
        using SoundReader reader = SoundReader.Open(folder["a.wav"]);
        Assert.That(All(reader), Is.EqualTo(AudioFile.Read(folder["a.wav"])));
    }

    [Test]
    public void Pipe_IsWhatTheFileGives()
    {
        WavWriter.Write(folder["a.wav"], Sounds.Noise(50_001, 0.5), 22050);
        float[] expected = AudioFile.Read(folder["a.wav"]);
        byte[] bytes = File.ReadAllBytes(folder["a.wav"]);
        using (SoundReader wav = SoundReader.Open(new MemoryStream(bytes), "-", null))
            Assert.That(All(wav), Is.EqualTo(expected));
        using (SoundReader raw = SoundReader.Open(new MemoryStream(bytes[44..]), "-", 22050))
            Assert.That(All(raw), Is.EqualTo(expected));
        Assert.That(() => SoundReader.Open(new MemoryStream(bytes[44..]), "-", null), Throws.TypeOf<InputException>().With.Message.Contains("--rate"));
        Assert.That(() => SoundReader.Open(new MemoryStream(), "-", 16000), Throws.TypeOf<InputException>());
    }

    /// <summary>As the file is refused: a header that was counted in may be missing, no more.</summary>
    [Test]
    public void Pipe_ThatEndsTooSoon_SaysSo_AsAFileDoes()
    {
        byte[] bytes = WavWriter.Encode(Sounds.Noise(20_000, 0.5));
        string path = folder.Write("cut.wav", bytes[..30_000]);
        string fault = Assert.Throws<InputException>(() => SoundReader.Open(path))!.Message;
        Assert.That(fault, Is.EqualTo($"{path}: truncated: the data chunk says 40000 bytes, the file has 29956"));
        using (SoundReader cut = SoundReader.Open(new MemoryStream(bytes[..30_000]), path, null))
            Assert.That(Assert.Throws<InputException>(() => All(cut))!.Message, Is.EqualTo(fault));
        using SoundReader whole = SoundReader.Open(new MemoryStream(bytes[..^44]), "-", null);
        Assert.That(All(whole), Has.Length.EqualTo(20_000 - 22));
    }

    /// <summary>What 'cat' makes of them, as a file and through a pipe, in pieces of any size: all behind the first was passed over. What else follows the data is none of our business.</summary>
    [Test]
    public void Wavs_JoinedAsTheyAre_AreRefused([Values(1, 7, 100_000)] int piece)
    {
        byte[] bytes = WavWriter.Encode(Sounds.Noise(4000, 0.5)), list = [.. "LIST"u8, 3, 0, 0, 0, 1, 2, 3, 0], junk = [0, 1, 2, 3, .. "RIFF"u8, 0, 0, 0, 0];
        foreach ((byte[] behind, bool isJoined) in new[] { (bytes, true), ([.. list, .. list, .. bytes], true), (list, false), (junk, false), ("RI"u8.ToArray(), false) })
        {
            byte[] all = [.. bytes, .. behind];
            string path = folder.Write("a.wav", all);
            foreach (Action read in new Action[] { () => AudioFile.Read(path), () => AudioFile.Probe(path), () => SoundReader.Open(path).Dispose(), Pipe })
                Assert.That(() => read(), isJoined ? WavReaderTests.IsOneLine(path, "WAV files are joined in it") : Throws.Nothing);

            void Pipe()
            {
                var pipe = new SoundPipe(path, null);
                int samples = 0;
                foreach (byte[] some in all.Chunk(piece))
                    samples += pipe.Accept(some).Length;
                pipe.Finish();
                Assert.That(samples, Is.EqualTo(4000));
            }
        }
    }

    /// <summary>With a rate it would be heard as noise.</summary>
    [Test]
    public void Pipe_WithCompressedSound_SaysWhatToDo([Values("tone.mp3", "tone.opus", "ID3", "fLaC")] string what, [Values(null, 16000)] int? rate)
    {
        byte[] bytes = what.Contains('.', StringComparison.Ordinal)
            ? File.ReadAllBytes(Path.Combine(TestContext.CurrentContext.TestDirectory, "Goldens", what)) : [.. Encoding.ASCII.GetBytes(what), .. new byte[100]];
        Assert.That(() => SoundReader.Open(new MemoryStream(bytes), "-", rate), WavReaderTests.IsOneLine("-", "ffmpeg -i FILE -f wav -"));
    }

    [Test]
    public void Pipe_OfQuietPcm_ThatBeginsLikeAnMp3_IsPcm()
    {
        byte[] bytes = [0xFF, 0xFB, 0x90, 0x00, .. new byte[996]];
        using SoundReader raw = SoundReader.Open(new MemoryStream(bytes), "-", 16000);
        Assert.That(All(raw), Has.Length.EqualTo(500));
    }

    [Test]
    public void Pipe_ThatCannotBeRead_IsNamed() =>
        Assert.That(() => SoundReader.Open(new BrokenStream(), "-", null), WavReaderTests.IsOneLine("-", "cannot be read: Input/output error"));

    /// <summary>As <c>&lt;(…)</c> of a shell: WAV is read, and what must be read twice is named.</summary>
    [Test]
    public void NamedPipe_IsReadAsAPipe()
    {
        Readers.Run("mkfifo", "mkfifo (Debian package coreutils)", folder["pipe"]);
        WavWriter.Write(folder["a.wav"], Sounds.Noise(50_000, 0.5));
        float[] read = WhilePiped(File.ReadAllBytes(folder["a.wav"]), () =>
        {
            using SoundReader reader = SoundReader.Open(folder["pipe"]);
            return All(reader);
        });
        Assert.That(read, Is.EqualTo(AudioFile.Read(folder["a.wav"])));
        string fault = WhilePiped("fLaC and more"u8.ToArray(), () => Assert.Throws<InputException>(() => SoundReader.Open(folder["pipe"]))!.Message);
        Assert.That(fault, Does.StartWith(folder["pipe"] + ": ").And.Contain("ffmpeg -i FILE -f wav -"));
        fault = WhilePiped(File.ReadAllBytes(folder["a.wav"]), () => Assert.Throws<InputException>(() => AudioFile.Read(folder["pipe"]))!.Message);
        Assert.That(fault, Does.StartWith(folder["pipe"] + ": a pipe or a device, not a file"));
    }

    private T WhilePiped<T>(byte[] bytes, Func<T> read)
    {
        Task writer = Task.Run(() =>
        {
            try
            {
                File.WriteAllBytes(folder["pipe"], bytes);
            }
            catch (IOException)
            {
                // Whoever refuses the beginning closes the pipe.
            }
        });
        T result = read();
        Assert.That(writer.Wait(TimeSpan.FromSeconds(20)), Is.True, "the writer is done");
        return result;
    }

    /// <summary>A CAF that went through a pipe says that its samples go to the end: it is not cut, and of libsndfile's "malformed" it is the exception.</summary>
    [Test]
    public void Caf_ToTheEnd_IsRead_AndAMalformedOneIsNotFfmpegs()
    {
        Sounds.RequireSndFile();
        WavWriter.Write(folder["a.wav"], Sounds.Noise(16000, 0.3));
        string path = folder["a.caf"];
        Readers.Run("ffmpeg", "ffmpeg (Debian package ffmpeg)", "-v", "error", "-nostdin", "-i", folder["a.wav"], "-c:a", "pcm_s16be", path);
        byte[] bytes = File.ReadAllBytes(path);
        bytes.AsSpan(bytes.AsSpan().IndexOf("data"u8) + 4, 8).Fill(0xFF);
        File.WriteAllBytes(path, bytes);
        using (SoundReader reader = SoundReader.Open(path))
            Assert.That(All(reader), Is.EqualTo(AudioFile.Read(folder["a.wav"])).Within(1e-4f));

        File.WriteAllBytes(path, bytes[..32]);
        Assert.That(() => SoundReader.Open(path), WavReaderTests.IsOneLine(path, "damaged: Supported file format but file is malformed"));
    }

    /// <summary>ffmpeg decodes what it can and ends with 0.</summary>
    [Test]
    public void Ffmpeg_OfADamagedFile_SaysSo([Values("m4a", "webm")] string kind, [Values] bool isCut)
    {
        WavWriter.Write(folder["a.wav"], Sounds.Noise(64000, 0.3));
        string path = folder["a." + kind];
        Readers.Run("ffmpeg", "ffmpeg (Debian package ffmpeg)", "-v", "error", "-nostdin", "-i", folder["a.wav"], "-movflags", "faststart", path);
        using (SoundReader whole = SoundReader.Open(path))
            Assert.That(All(whole), Has.Length.InRange(63000, 68000));
        byte[] bytes = File.ReadAllBytes(path);
        for (int i = bytes.Length / 2; i < bytes.Length; i += 41)
            bytes[i] ^= 0x55;
        File.WriteAllBytes(path, isCut ? bytes[..(bytes.Length / 2)] : bytes);
        using SoundReader reader = SoundReader.Open(path);
        Assert.That(() => All(reader), WavReaderTests.IsOneLine(path, "damaged or truncated: ffmpeg decoded"));
    }

    /// <summary>A transport stream from the middle of its pictures: the sound is whole.</summary>
    [Test]
    public void Ffmpeg_DamagedPictures_DoNotMatter()
    {
        WavWriter.Write(folder["a.wav"], Sounds.Noise(64000, 0.3));
        Readers.Run(
            "ffmpeg", "ffmpeg (Debian package ffmpeg)", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc=d=4:s=64x48", "-i", folder["a.wav"], "-c:v", "mpeg2video", "-g", "50", folder["a.ts"]);
        byte[] bytes = File.ReadAllBytes(folder["a.ts"]);
        File.WriteAllBytes(folder["a.ts"], bytes[(bytes.Length / 188 / 4 * 188)..]);
        using SoundReader reader = SoundReader.Open(folder["a.ts"]);
        Assert.That(All(reader), Has.Length.InRange(30000, 64000));
    }

    private sealed class BrokenStream : MemoryStream
    {
        public override int Read(Span<byte> buffer) => throw new IOException("Input/output error");
    }

    [Test]
    public void Ffmpeg_ReadsWhatLibsndfileDoesNot()
    {
        WavWriter.Write(folder["a.wav"], Sounds.Sine(32000, 440, 16000));
        Readers.Run("ffmpeg", "ffmpeg (Debian package ffmpeg)", "-v", "error", "-nostdin", "-i", folder["a.wav"], "-c:a", "aac", folder["a.mp4"]);
        using SoundReader reader = SoundReader.Open(folder["a.mp4"]);
        float[] samples = All(reader);
        Assert.That(samples, Has.Length.InRange(31000, 36000));
        Assert.That(samples.Max(), Is.EqualTo(0.5).Within(0.1));

        File.WriteAllBytes(folder["b.mp4"], new byte[5000]);
        using SoundReader broken = SoundReader.Open(folder["b.mp4"]);
        InputException? refused = Assert.Throws<InputException>(() => All(broken));
        Assert.That(refused!.Message, Does.StartWith(folder["b.mp4"] + ": ").And.Not.Contain("\n"));
    }

    /// <summary>What a terminal sends to all of its group, Ctrl-C, would end it before we can, and in the background without us.</summary>
    [Test]
    public void Ffmpeg_HasAGroupOfItsOwn()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("groups of processes are read from /proc, which Linux alone has");
        // More than a pipe holds, so that it waits to be read.
        WavWriter.Write(folder["a.wav"], Sounds.Sine(16000 * 60, 440, 16000));
        Readers.Run("ffmpeg", "ffmpeg (Debian package ffmpeg)", "-v", "error", "-nostdin", "-i", folder["a.wav"], "-c:a", "aac", folder["a.mp4"]);
        using SoundReader reader = SoundReader.Open(folder["a.mp4"]);
        Assert.That(reader.Read().Length, Is.Positive);
        string decoder = Directory.GetDirectories("/proc").Single(process => Said(process, "cmdline").StartsWith("ffmpeg\0", StringComparison.Ordinal) && Said(process, "cmdline").Contains(folder["a.mp4"], StringComparison.Ordinal));
        Assert.That(Group(decoder), Is.Not.EqualTo(Group("/proc/self")));

        static string Group(string process) => Said(process, "stat").Split(')')[^1].Split(' ')[3];

        static string Said(string process, string what)
        {
            try
            {
                return File.ReadAllText(Path.Combine(process, what));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }
    }

    internal static float[] All(SoundReader reader)
    {
        var all = new List<float>();
        for (ReadOnlySpan<float> block = reader.Read(); block.Length > 0; block = reader.Read())
            all.AddRange(block);
        return [.. all];
    }
}
