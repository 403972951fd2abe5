namespace Ds2.Bench.Peers;

/// <summary>What a pass of an op takes in both libraries: medians, in seconds.</summary>
/// <param name="Op">The op and the pass.</param>
/// <param name="Size">Its shape.</param>
/// <param name="Ds2Seconds">Ours.</param>
/// <param name="LibtorchSeconds">libtorch's.</param>
/// <param name="Difference">The largest difference of the results, relative to their size.</param>
internal sealed record PeerTime(string Op, string Size, double Ds2Seconds, double LibtorchSeconds, double Difference)
{
    /// <summary>The head of the table that <see cref="ToText"/> gives the rows of.</summary>
    public static string Head => $"{"op",-26} {"shape",-38} {"ds2 ms",10} {"libtorch ms",12} {"ratio",6} {"difference",11}";

    /// <summary>Our time over libtorch's.</summary>
    public double Ratio => Ds2Seconds / LibtorchSeconds;

    /// <summary>A row for people.</summary>
    public string ToText() => $"{Op,-26} {Size,-38} {Ds2Seconds * 1e3,10:F3} {LibtorchSeconds * 1e3,12:F3} {Ratio,6:F2} {Difference,11:E1}";
}
