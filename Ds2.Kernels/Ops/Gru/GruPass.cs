namespace Ds2.Kernels.Ops;

/// <summary>The sizes of a layer, of which one launch computes all frames of eight utterances.</summary>
internal struct GruPass
{
    public int T;
    public int N;
    public int H;

    /// <summary>The first of the eight utterances.</summary>
    public int First;

    /// <summary>Not 0 where there is a state before the first frame; else that is zero and nobody reads it.</summary>
    public int HasInitial;

    /// <summary>Backward: not 0 where the gradient of the initial state is wanted.</summary>
    public int WantsInitial;

    /// <summary>How often a group looks whether the others have come before it gives up.</summary>
    public int Looks;
}
