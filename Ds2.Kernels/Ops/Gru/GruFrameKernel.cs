using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using PackLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, int>;

/// <summary>What the kernels of a frame share, forward and backward: U is packed once for all frames, and a launch is a frame of each direction.</summary>
/// <param name="engine">The engine.</param>
/// <param name="precision">How U is packed.</param>
/// <param name="threads">Threads of a group.</param>
/// <param name="units">Hidden units of a group.</param>
/// <param name="packKernel">Writes 128 bits of the packed U a thread.</param>
internal abstract class GruFrameKernel(IlgpuEngine engine, RecurrentPrecision precision, int threads, int units, Delegate packKernel)
{
    /// <summary>Utterances of a group.</summary>
    public const int Utterances = 8;

    private readonly PackLauncher pack = engine.Load<PackLauncher>(packKernel);
    private readonly int half = precision == RecurrentPrecision.Fp32 ? 0 : 1;

    /// <summary>The queue.</summary>
    protected AcceleratorStream Stream => engine.Stream;

    /// <summary>The length of one direction's packed U, in fp32 elements.</summary>
    public int PackedLength(int h) => Fp32Length(h) >> half;

    /// <summary>Queues packing U: once for all frames.</summary>
    /// <param name="recurrent">U of one direction, [3H, H].</param>
    /// <param name="packed">[<see cref="PackedLength"/>]; overwritten.</param>
    public void Pack(Tensor recurrent, Tensor packed)
    {
        int h = recurrent.Shape[1];
        int aligned = new GemmOperand(recurrent, 0, h).Aligned ? 1 : 0;
        pack(Stream, IlgpuEngine.Cover(packed.Length / 4, threads), recurrent.View(), packed.View(), packed.Length / 4, h, half, aligned);
    }

    /// <summary>The length of one direction's packed U in single precision.</summary>
    protected abstract int Fp32Length(int h);

    /// <summary>The groups of a frame: utterances, units, directions.</summary>
    protected KernelConfig Frame(GruStep step, int directions) =>
        new(new Index3D(Groups(step.N, Utterances), Groups(step.H, units), directions), new Index3D(threads, 1, 1));

    /// <summary>Says where a frame finds the state before it: in the frame before, or at a direction's first frame in the initial state, if there is one.</summary>
    /// <param name="step">The frame; its Before and HasBefore are set.</param>
    /// <param name="isFirst">Whether it is the first in time.</param>
    /// <param name="hidden">[Directions, T, N, H].</param>
    /// <param name="initial">[N, H], of one direction; null for zeros.</param>
    /// <returns>The tensor to read it from.</returns>
    protected static Tensor Before(ref GruStep step, bool isFirst, Tensor hidden, Tensor? initial)
    {
        step.HasBefore = isFirst && initial is null ? 0 : 1;
        step.Before = isFirst ? 0 : step.N * step.H;
        return isFirst ? initial ?? hidden : hidden;
    }

    /// <summary>The elements of what is handed from frame to frame: of two frames, the one written and the one read, blocks of a chunk of k of eight utterances.</summary>
    protected static int TwoFrames(GruShape shape, int chunks, int chunk) =>
        checked(2 * shape.Directions * Groups(shape.N, Utterances) * chunks * chunk * Utterances);

    /// <summary>So many groups of <paramref name="each"/> hold all items.</summary>
    protected static int Groups(int items, int each) => (items + each - 1) / each;
}
