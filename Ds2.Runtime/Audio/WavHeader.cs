namespace Ds2.Runtime.Audio;

/// <summary>How a WAV file stores one sample.</summary>
internal enum WavEncoding
{
    UnsignedByte,
    Pcm16,
    Pcm24,
    Pcm32,
    Float32,
    Float64,
    MuLaw,
    ALaw,

    /// <summary>Another one, which libsndfile may know.</summary>
    Foreign,
}

/// <summary>What a WAV file's header says, checked against the file's length.</summary>
/// <param name="Encoding">How one sample is stored.</param>
/// <param name="Channels">Interleaved channels.</param>
/// <param name="SampleRate">Frames a second.</param>
/// <param name="DataOffset">Where the first frame starts, in bytes from the start of the file.</param>
/// <param name="Frames">Samples of each channel.</param>
internal readonly record struct WavHeader(WavEncoding Encoding, int Channels, int SampleRate, long DataOffset, long Frames)
{
    public int BytesPerSample => Encoding switch
    {
        WavEncoding.UnsignedByte or WavEncoding.MuLaw or WavEncoding.ALaw or WavEncoding.Foreign => 1,
        WavEncoding.Pcm16 => 2,
        WavEncoding.Pcm24 => 3,
        WavEncoding.Pcm32 or WavEncoding.Float32 => 4,
        _ => 8,
    };

    /// <summary>Bytes of a sample of each channel.</summary>
    public int FrameBytes => BytesPerSample * Channels;

    public double Seconds => (double)Frames / SampleRate;
}
