using System.Runtime.CompilerServices;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>The words that a <see cref="LanguageModel"/>'s next prediction depends on: the shortest context that predicts alike. Two texts in equal states have
/// the same probability of whatever follows.</summary>
public struct LanguageState : IEquatable<LanguageState>
{
    private const int Most = NGramModel.MostOrders - 1;

    /// <summary>How many words count.</summary>
    internal int Length;

    /// <summary>The words, the latest first. What stands behind <see cref="Length"/> means nothing.</summary>
    internal Contexts<int> Words;

    /// <summary>log10 back-off weights of the contexts of the latest word, the latest two, and so on: with them a query need not look the context up again.</summary>
    internal Contexts<float> BackOffs;

    /// <summary>Whether both states predict alike.</summary>
    public readonly bool Equals(LanguageState other)
    {
        if (Length != other.Length)
            return false;
        for (int i = 0; i < Length; i++)
        {
            if (Words[i] != other.Words[i])
                return false;
        }
        return true;
    }

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is LanguageState other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode()
    {
        ulong hash = (ulong)Length;
        for (int i = 0; i < Length; i++)
            hash = (hash ^ (uint)Words[i]) * 0x9E3779B97F4A7C15;
        return (int)(hash >> 32);
    }

    /// <summary>Whether both states predict alike.</summary>
    public static bool operator ==(LanguageState left, LanguageState right) => left.Equals(right);

    /// <summary>Whether they may predict differently.</summary>
    public static bool operator !=(LanguageState left, LanguageState right) => !left.Equals(right);

    /// <summary>One value for each length of context.</summary>
    [InlineArray(Most)]
    internal struct Contexts<T>
        where T : unmanaged
    {
        private T first;
    }
}
