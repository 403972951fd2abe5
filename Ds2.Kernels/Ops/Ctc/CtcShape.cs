namespace Ds2.Kernels.Ops;

/// <summary>The sizes of a CTC loss over a padded batch.</summary>
/// <param name="T">Frames, padding included.</param>
/// <param name="N">Utterances.</param>
/// <param name="C">Classes, the blank included.</param>
/// <param name="L">The longest text of the batch, in labels.</param>
/// <param name="Blank">The index of the blank.</param>
public readonly record struct CtcShape(int T, int N, int C, int L, int Blank = 0)
{
    /// <summary>States of the longest lattice: every label, and a blank before, between and after: 2 L + 1.</summary>
    public int States => 2 * L + 1;

    /// <summary>Log-probabilities and gradients: [T, N, C].</summary>
    public Shape LogProbabilities => new(T, N, C);

    /// <summary>Padded texts: [N, max(L, 1)].</summary>
    public Shape Labels => new(N, Math.Max(L, 1));

    /// <summary>The forward variables: [N, T, 2 L + 1].</summary>
    public Shape Alpha => new(N, T, States);
}
