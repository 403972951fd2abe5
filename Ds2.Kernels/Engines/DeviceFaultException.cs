namespace Ds2.Kernels.Engines;

/// <summary>A device that worked has failed, or cannot load what it is to run; the message says what and what helps in one line.</summary>
/// <param name="message">The device, what failed, and what helps.</param>
/// <param name="inner">What the driver said.</param>
public sealed class DeviceFaultException(string message, Exception? inner = null) : Exception(message, inner);
