namespace Ds2.Runtime.Distributed;

/// <summary>Ranks could not exchange what they had to: the library reports an error, or the others did not come within the time limit. The job cannot go on.</summary>
/// <param name="message">One line for the user: rank, host, what was waited for and how long, or what the library says.</param>
public sealed class DistributedException(string message) : Exception(message);
