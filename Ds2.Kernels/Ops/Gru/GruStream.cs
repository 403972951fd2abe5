namespace Ds2.Kernels.Ops;

/// <summary>The sizes of a layer of which one launch computes all frames, U partly kept and partly read again each frame, and how threads divide a frame's product: see <see cref="GruStreamProduct"/>.</summary>
internal struct GruStream
{
    public int T;
    public int N;
    public int H;

    /// <summary>Not 0 where there is a state before the first frame; else that is zero and nobody reads it.</summary>
    public int HasInitial;

    /// <summary>Backward: not 0 where the gradient of the initial state is wanted.</summary>
    public int WantsInitial;

    /// <summary>How often a group looks whether the others have come before it gives up.</summary>
    public int Looks;

    /// <summary>Threads side by side, each with three outputs.</summary>
    public int Lanes;

    /// <summary>The parts of a chunk's k, each some threads'.</summary>
    public int Slices;

    /// <summary>Chunks of k.</summary>
    public int Chunks;

    /// <summary>The elements of what a frame of one direction hands to the next.</summary>
    public int FrameLength;

    /// <summary>The elements of a chunk of states or gradients.</summary>
    public int ChunkLength;

    /// <summary>The same in Float4. (Known here, neither takes a register of each thread.)</summary>
    public int ChunkFours;

    /// <summary>The same in bytes.</summary>
    public long ChunkBytes;

    /// <summary>The 128-bit words of a group's weights that stream.</summary>
    public int StreamLength;
}
