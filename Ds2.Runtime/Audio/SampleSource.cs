namespace Ds2.Runtime.Audio;

/// <summary>A recording that is read in blocks, its channels mixed to one by their mean, at its own rate.</summary>
internal abstract class SampleSource : IDisposable
{
    /// <summary>Samples a second; known once the first block was read.</summary>
    public abstract int SampleRate { get; }

    /// <summary>Reads the next samples.</summary>
    /// <returns>How many came; 0 at the end alone, where what can only be checked there has been checked.</returns>
    /// <exception cref="InputException">The recording is damaged.</exception>
    public abstract int Read(Span<float> samples);

    /// <inheritdoc/>
    public abstract void Dispose();
}
