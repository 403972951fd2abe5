using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>Reads a recording as <see cref="AudioFile.Read"/> does, mono at 16 kHz and with the same bits, but in blocks: memory does not grow with its length.</summary>
/// <remarks>What neither Ds2 nor libsndfile reads goes through the program ffmpeg.</remarks>
public sealed class SoundReader : IDisposable
{
    private readonly SampleSource source;
    private readonly SoundResampler resampler;
    private readonly float[] block = new float[8192];
    private bool ended;

    private SoundReader(SampleSource source, string name)
    {
        this.source = source;
        try
        {
            resampler = new SoundResampler(source.SampleRate, AudioFile.SampleRate);
        }
        catch (InputException exception)
        {
            source.Dispose();
            throw new InputException($"{name}: {exception.Message}", exception);
        }
    }

    /// <summary>Opens a file; the content decides what it is, not the name. What is no file but a pipe is read as one, WAV alone.</summary>
    /// <exception cref="InputException">It is missing, damaged, or of a kind that nothing installed here reads.</exception>
    public static SoundReader Open(string path) => new(SourceOf(path), path);

    /// <summary>Reads a pipe: WAV, or raw PCM of 16 bits and one channel.</summary>
    /// <param name="stream">The pipe; becomes this object's.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="rawRate">The rate of raw PCM; null where only WAV will do.</param>
    /// <exception cref="InputException">It is empty, or neither.</exception>
    public static SoundReader Open(Stream stream, string name, int? rawRate) => new(new PipeSource(stream, name, rawRate), name);

    /// <summary>The next samples; none at the end alone. Overwritten by the next call.</summary>
    /// <exception cref="InputException">The recording is damaged.</exception>
    public ReadOnlySpan<float> Read()
    {
        while (!ended)
        {
            int count = source.Read(block);
            ended = count == 0;
            ReadOnlySpan<float> samples = ended ? resampler.Finish() : resampler.Accept(block.AsSpan(0, count));
            if (samples.Length > 0)
                return samples;
        }
        return [];
    }

    /// <inheritdoc/>
    public void Dispose() => source.Dispose();

    private static SampleSource SourceOf(string path)
    {
        FileStream file = InputFile.Open(path);
        try
        {
            if (!file.CanSeek)
                return new PipeSource(file, path, rawRate: null);
            if (WavReader.TryReadHeader(file, path) is { Encoding: not WavEncoding.Foreign } header)
            {
                file.Position = header.DataOffset;
                return new WavSource(file, header, path);
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }
        file.Dispose();
        return SndFile.TryOpenSource(path, out string? whyNot) as SampleSource ?? FfmpegSource.TryOpen(path)
            ?? throw new InputException($"{path}: {whyNot}; ffmpeg, which reads more formats, is not installed (on Debian: apt-get install ffmpeg)");
    }
}
