using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The innermost loop of a matrix product: a tile of C that stays in registers while K passes by.</summary>
internal unsafe interface IMicroKernel
{
    /// <summary>The most rows of a tile.</summary>
    static abstract int Rows { get; }

    /// <summary>The columns of a tile: two vectors.</summary>
    static abstract int Columns { get; }

    /// <summary>C = A B + bias + beta C for one tile of <typeparamref name="TRows"/> x <see cref="Columns"/>; each element is summed over k in order.</summary>
    /// <param name="k">The summed dimension.</param>
    /// <param name="a">The tile's rows of A, laid out as <typeparamref name="TLeft"/> says.</param>
    /// <param name="lda">Elements between two rows of A, where the layout has such.</param>
    /// <param name="b">The tile's columns of B, row by row.</param>
    /// <param name="ldb">Elements between two rows of B.</param>
    /// <param name="c">The tile.</param>
    /// <param name="ldc">Elements between two rows of C.</param>
    /// <param name="beta">The factor of C's old value; 0 does not read it.</param>
    /// <param name="bias">One number per column; may be null.</param>
    static abstract void Multiply<TRows, TLeft>(
        int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
        where TRows : struct, IRows
        where TLeft : struct, ILeftLayout;
}

/// <summary>How a micro-kernel finds its elements of A. A type rather than a number, so that the packed offsets are constants.</summary>
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
