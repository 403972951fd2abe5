namespace Ds2.Runtime;

/// <summary>What a user gave cannot be used: a file is missing, cut short or of another kind, or a value makes no sense.</summary>
/// <remarks>The message is one line for the user, naming the file and what is wrong with it; the command line prints it without a stack trace.</remarks>
/// <param name="message">One line: the file, and what is wrong.</param>
/// <param name="inner">What was found underneath, where there is more to know.</param>
public sealed class InputException(string message, Exception? inner = null) : Exception(message, inner);
