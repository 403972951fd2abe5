using Ds2.Runtime;
using TorchSharp;

namespace Ds2.Bench.Peers;

/// <summary>The other library.</summary>
internal static class Libtorch
{
    /// <summary>Loads it, and has it work with so many threads.</summary>
    /// <exception cref="InputException">It does not load.</exception>
    public static void Start(int threads)
    {
        try
        {
            torch.set_num_threads(threads);
        }
        catch (Exception exception) when (exception is DllNotFoundException or TypeInitializationException or NotSupportedException)
        {
            throw new InputException(
                $"libtorch did not load: on Debian 12 its C++ runtime is too old, docs/benchmarks.md says how to run it ({exception.Message})", exception);
        }
    }
}
