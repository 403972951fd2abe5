namespace Ds2.Runtime.Files;

/// <summary>What is piped into the program.</summary>
public static class StandardInput
{
    /// <summary>Opens it.</summary>
    /// <param name="name">What messages call it.</param>
    /// <remarks>Where the program was started without one (<c>&lt;&amp;-</c>), the runtime has opened something of its own under that number by now, a pipe from which nothing ever comes.</remarks>
    /// <exception cref="InputException">It is closed.</exception>
    public static Stream Open(string name) =>
        !OperatingSystem.IsLinux() || PosixFile.IsInherited(0) ? Console.OpenStandardInput() : throw new InputException($"{name}: standard input is closed");
}
