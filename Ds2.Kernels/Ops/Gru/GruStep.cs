namespace Ds2.Kernels.Ops;

/// <summary>The sizes of a layer, and which frame a launch computes.</summary>
internal struct GruStep
{
    public int T;
    public int N;
    public int H;

    /// <summary>A group serves 1 &lt;&lt; Shift utterances.</summary>
    public int Shift;

    /// <summary>How many frames of each direction are done; direction 0 is at this frame (or backward, this many from the end), direction 1 opposite.</summary>
    public int Done;

    /// <summary>Not 0 where a state comes before the frame's; else that is zero and nobody reads it.</summary>
    public int HasBefore;

    /// <summary>How many elements before a state (direction 1: after it) the one before it lies, in the tensor that the launch reads it from.</summary>
    public int Before;
}
