using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The number of rows of a tile as a type: the JIT compiles a kernel for each and drops the rows it lacks.</summary>
/// <remarks>Each getter is inlined by command: in kernels as large as these the JIT may leave off doing so by itself, and a call would drive all sums out of their registers.</remarks>
internal interface IRows
{
    /// <summary>The number.</summary>
    static abstract int Count { get; }
}

/// <inheritdoc/>
internal readonly struct One : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 1; }
}

/// <inheritdoc/>
internal readonly struct Two : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 2; }
}

/// <inheritdoc/>
internal readonly struct Three : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 3; }
}

/// <inheritdoc/>
internal readonly struct Four : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 4; }
}

/// <inheritdoc/>
internal readonly struct Five : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 5; }
}

/// <inheritdoc/>
internal readonly struct Six : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 6; }
}

/// <inheritdoc/>
internal readonly struct Seven : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 7; }
}

/// <inheritdoc/>
internal readonly struct Eight : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 8; }
}

/// <inheritdoc/>
internal readonly struct Nine : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 9; }
}

/// <inheritdoc/>
internal readonly struct Ten : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 10; }
}

/// <inheritdoc/>
internal readonly struct Eleven : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 11; }
}

/// <inheritdoc/>
internal readonly struct Twelve : IRows
{
    /// <inheritdoc/>
    public static int Count { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 12; }
}
