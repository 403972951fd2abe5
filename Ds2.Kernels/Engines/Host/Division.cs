using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>How host kernels cut lengths into pieces.</summary>
internal static class Division
{
    /// <summary>The number of pieces of at most so many elements that a length makes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Pieces(int length, int most) => (length + most - 1) / most;

    /// <summary>The next multiple, up from a length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Up(int length, int multiple) => Pieces(length, multiple) * multiple;
}
