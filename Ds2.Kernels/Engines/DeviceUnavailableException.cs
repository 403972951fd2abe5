namespace Ds2.Kernels.Engines;

/// <summary>No engine can be made for a device; the message says why in one line.</summary>
/// <param name="message">The device, and why.</param>
/// <param name="isPresent">Whether there is such a device, which is busy, full or does not fit its driver.</param>
/// <param name="inner">What the driver said.</param>
public sealed class DeviceUnavailableException(string message, bool isPresent, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether there is such a device, which is busy, full or does not fit its driver.</summary>
    public bool IsPresent { get; } = isPresent;
}
