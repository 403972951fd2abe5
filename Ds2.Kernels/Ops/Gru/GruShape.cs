namespace Ds2.Kernels.Ops;

/// <summary>The sizes of a gated recurrent layer over a padded batch of sequences.</summary>
/// <param name="T">Frames, padding included.</param>
/// <param name="N">Utterances.</param>
/// <param name="I">Features of an input frame.</param>
/// <param name="H">Hidden units of each direction.</param>
/// <param name="Directions">1: forward in time; 2: forward and backward, outputs summed.</param>
public readonly record struct GruShape(int T, int N, int I, int H, int Directions = 1)
{
    /// <summary>The input: [T, N, I].</summary>
    public Shape X => new(T, N, I);

    /// <summary>The output: [T, N, H], the sum over directions.</summary>
    public Shape Y => new(T, N, H);

    /// <summary>The input weight of a direction: [3H, I], gates in the order r, z, n.</summary>
    public Shape InputWeight => new(3 * H, I);

    /// <summary>The recurrent weight of a direction: [3H, H], gates in the order r, z, n.</summary>
    public Shape RecurrentWeight => new(3 * H, H);

    /// <summary>Either bias of a direction: [3H].</summary>
    public Shape Bias => new(3 * H);

    /// <summary>The states before the first frame, or after the last: [N, H].</summary>
    public Shape State => new(N, H);

    /// <summary>The states of every frame and direction: [Directions, T, N, H].</summary>
    public Shape Hidden => new(Directions, T, N, H);

    /// <summary>The gates r, z, n of every frame and direction: [Directions, T, N, 3H].</summary>
    public Shape Gates => new(Directions, T, N, 3 * H);

    /// <summary>Multiplications and additions of the forward pass, the two products only; backward takes twice as many.</summary>
    public double Flops => 2.0 * Directions * T * N * 3 * H * ((double)I + H);

    /// <summary>The least that memory must move forward, fp32: the recurrent weight once a frame, the input weight once, x, projections, gates, states.</summary>
    public double Bytes => 4.0 * (Directions * ((double)T * 3 * H * H + 3.0 * H * I + (double)T * N * 11 * H) + (double)T * N * I);
}
