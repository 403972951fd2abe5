using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>How host kernels cut lengths into pieces.</summary>
/// <remarks>
/// A tensor has up to 2^31 - 1 elements, so the end of a piece behind the last one, or the next step of a loop, does not fit 32 bits: pieces end where
/// <see cref="End"/> says, and loops go on by what they took, <c>for (int i = 0, some; i &lt; n; i += some) { some = Math.Min(step, n - i); … }</c>.
/// </remarks>
internal static class Division
{
    /// <summary>The number of pieces of at most so many elements that a length makes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Pieces(int length, int most) => (int)(((long)length + most - 1) / most);

    /// <summary>The end of a piece, counted from 0: the last piece's is the length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int End(int piece, int most, int length) => (int)Math.Min(length, (piece + 1L) * most);

    /// <summary>The next multiple, up from a length.</summary>
    /// <exception cref="OverflowException">It is beyond <see cref="int.MaxValue"/>.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Up(int length, int multiple) => checked(Pieces(length, multiple) * multiple);
}
