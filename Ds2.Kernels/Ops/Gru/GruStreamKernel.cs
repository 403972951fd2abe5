using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary>What the kernels share, forward and backward, that compute all frames of a wide layer in one launch: see <see cref="GruStreamProduct"/>. For layers that are too wide for <see cref="GruPassKernel"/>, and up to eight utterances.</summary>
/// <remarks>
/// Each multiprocessor has a group, of one direction; the groups of a direction wait for each other at a <see cref="GridBarrier"/> between two frames. What a frame hands to the next, states or gradients, lies packed
/// in memory as <see cref="GruStreamProduct"/> reads it, of two frames in turn. Where the groups do not fit the device, and elsewhere than on CUDA, a launch is a frame (<see cref="GruFrameKernel"/>).
/// </remarks>
/// <param name="engine">The engine.</param>
/// <param name="precision">How U is packed.</param>
/// <param name="kernel">Computes all frames.</param>
/// <param name="outputsOfUnit">Outputs of the product that a unit has: its three gates, or one gradient.</param>
internal abstract class GruStreamKernel(IlgpuEngine engine, RecurrentPrecision precision, Delegate kernel, int outputsOfUnit)
{
    /// <summary>The fewest hidden units: with fewer, all of U stays in <see cref="GruPassKernel"/>'s registers.</summary>
    private const int LeastHidden = 513;

    private readonly CooperativeKernel? kernel = engine.LoadCooperative(kernel);

    /// <summary>The engine.</summary>
    protected IlgpuEngine Engine => engine;

    /// <summary>Whether U is packed in half precision.</summary>
    protected bool IsHalf { get; } = precision == RecurrentPrecision.Fp16;

    /// <summary>The kernel, where the device can run it.</summary>
    protected CooperativeKernel Kernel => kernel!;

    /// <summary>The most slices of k for which there is shared memory.</summary>
    protected abstract int MostSlices { get; }

    /// <summary>Whether the device can run a layer so.</summary>
    public bool Fits(GruShape shape) => shape.N <= GruStreamProduct.Utterances && Fits(shape.H, shape.Directions);

    /// <summary>The length of one direction's U as the kernel reads it; 0 where the device cannot run it for so many units.</summary>
    public int PackedLength(int h, int directions) => Fits(h, directions) ? GruStreamProduct.PackedLength(Groups(h, directions), Sizes(h, directions).Chunks) : 0;

    /// <summary>The sizes of a layer and how its frames' products are divided.</summary>
    protected GruStream Sizes(int h, int directions)
    {
        int k = outputsOfUnit == 1 ? 3 * h : h;
        var sizes = new GruStream { H = h, Lanes = Lanes(h, directions) };
        sizes.Slices = Math.Min(GruStreamProduct.Threads / sizes.Lanes, MostSlices);
        int depth = sizes.Slices * GruStreamProduct.Depth(IsHalf);
        sizes.Chunks = (k + depth - 1) / depth;
        sizes.ChunkLength = sizes.Slices * GruStreamProduct.SliceLength(IsHalf);
        sizes.FrameLength = checked(sizes.Chunks * sizes.ChunkLength);
        sizes.ChunkFours = sizes.ChunkLength / 4;
        sizes.ChunkBytes = sizes.ChunkLength * sizeof(float);
        sizes.StreamLength = Math.Max(sizes.Chunks - GruStreamProduct.Staying, 0) * GruStreamProduct.KeptLength;
        return sizes;
    }

    /// <summary>The groups of a direction.</summary>
    protected int Groups(int h, int directions) => (h + Units(h, directions) - 1) / Units(h, directions);

    /// <summary>What frames hand to the next, of each direction two in turn; and a chunk that is read behind the last one and not used.</summary>
    protected Shape Handed(GruShape shape)
    {
        GruStream sizes = Sizes(shape.H, shape.Directions);
        return new Shape(checked(shape.Directions * 2 * sizes.FrameLength + sizes.ChunkLength));
    }

    /// <summary>The barriers of a launch, one a direction.</summary>
    protected static Shape Barriers(int directions) => new(directions * GridBarrier.Stride);

    private int Units(int h, int directions) => Lanes(h, directions) * GruStreamProduct.Outputs / outputsOfUnit;

    // As many multiprocessors as there are, and no more.
    private int Lanes(int h, int directions)
    {
        int units = (h + engine.Multiprocessors / directions - 1) / (engine.Multiprocessors / directions);
        return (units * outputsOfUnit + GruStreamProduct.Outputs - 1) / GruStreamProduct.Outputs;
    }

    // A thread makes one unit's state or gradient of each half of the utterances.
    private bool Fits(int h, int directions) => h >= LeastHidden && kernel is not null
        && Units(h, directions) * GruStreamProduct.Utterances / 2 <= GruStreamProduct.Threads && Groups(h, directions) * directions <= kernel.MostGroups;
}
