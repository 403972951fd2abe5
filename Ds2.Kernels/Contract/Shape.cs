using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Contract;

/// <summary>The sizes of a contiguous, row-major tensor of one to four dimensions.</summary>
/// <remarks>Sizes may be zero. The last dimension is the fastest: element (i, j, k) of [A, B, C] lies at (i * B + j) * C + k.</remarks>
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The largest number of dimensions.</summary>
    public const int MaxRank = 4;

    private readonly Sizes sizes;

    /// <summary>A shape from its sizes, outermost first.</summary>
    /// <exception cref="ArgumentException">There are none or more than <see cref="MaxRank"/>, or one is negative.</exception>
    /// <exception cref="OverflowException">The number of elements exceeds <see cref="int.MaxValue"/>; kernels index in 32 bits.</exception>
    public Shape(params ReadOnlySpan<int> sizes)
    {
        if (sizes.Length is 0 or > MaxRank)
            throw new ArgumentException($"a shape has 1 to {MaxRank} dimensions, not {sizes.Length}", nameof(sizes));
        Rank = sizes.Length;
        Length = 1;
        for (int i = 0; i < sizes.Length; i++)
        {
            if (sizes[i] < 0)
                throw new ArgumentException($"size {sizes[i]} of dimension {i} is negative", nameof(sizes));
            this.sizes[i] = sizes[i];
            Length = checked(Length * sizes[i]);
        }
    }

    /// <summary>The number of dimensions.</summary>
    public int Rank { get; }

    /// <summary>The number of elements: the product of the sizes.</summary>
    public int Length { get; }

    /// <summary>The size of one dimension, 0 the outermost.</summary>
    public int this[int dimension] =>
        (uint)dimension < (uint)Rank ? sizes[dimension] : throw new ArgumentOutOfRangeException(nameof(dimension));

    /// <summary>Whether two shapes have the same rank and sizes.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Whether two shapes differ in rank or in a size.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(Shape other)
    {
        if (Rank != other.Rank)
            return false;
        for (int i = 0; i < Rank; i++)
            if (sizes[i] != other.sizes[i])
                return false;
        return true;
    }

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Rank, sizes[0], sizes[1], sizes[2], sizes[3]);

    /// <summary>The sizes in brackets: <c>[8, 32, 61, 300]</c>.</summary>
    public override string ToString()
    {
        var parts = new string[Rank];
        for (int i = 0; i < Rank; i++)
            parts[i] = sizes[i].ToString();
        return $"[{string.Join(", ", parts)}]";
    }

    [InlineArray(MaxRank)]
    private struct Sizes
    {
        private int first;
    }
}
