using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>How a tile's kernel finds its elements of A. A type rather than a number, so that the packed offsets are constants.</summary>
internal interface ILeftLayout
{
    /// <summary>The offset of a row's element from row 0's.</summary>
    static abstract nint Row(int row, nint lda);

    /// <summary>The offset of the next k's elements.</summary>
    static abstract nint Step(int rows, nint lda);
}

/// <summary>Packed for the kernel: the elements of all rows for one k lie side by side.</summary>
internal readonly struct PackedLeft : ILeftLayout
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Row(int row, nint lda) => row;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Step(int rows, nint lda) => rows;
}

/// <summary>As the caller stores it: rows along k.</summary>
internal readonly struct RowsLeft : ILeftLayout
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Row(int row, nint lda) => row * lda;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Step(int rows, nint lda) => 1;
}

/// <summary>As the caller stores it, transposed: the elements of all rows for one k lie side by side, the next k one stored row on.</summary>
internal readonly struct ColumnsLeft : ILeftLayout
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Row(int row, nint lda) => row;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Step(int rows, nint lda) => lda;
}
