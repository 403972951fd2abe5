namespace Ds2.Runtime.Audio;

/// <summary>One channel of sound.</summary>
/// <param name="Samples">Amplitudes, full scale at 1.</param>
/// <param name="SampleRate">Samples a second.</param>
public sealed record AudioClip(float[] Samples, int SampleRate)
{
    /// <summary>Length in seconds.</summary>
    public double Seconds => (double)Samples.Length / SampleRate;
}
