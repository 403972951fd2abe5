using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using PackLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, int>;

/// <summary>What the kernels of a frame share, forward and backward: U is packed once for all frames, and a launch is a frame of each direction.</summary>
/// <param name="engine">The engine.</param>
/// <param name="precision">How U is packed.</param>
internal abstract class GruFrameKernel(IlgpuEngine engine, RecurrentPrecision precision)
{
    /// <summary>The fewest and the most utterances of a group, as powers of two: 8 and 32.</summary>
    protected const int LeastShift = 3, MostShift = 5;

    /// <summary><see cref="GruProduct.Row"/> of 32 utterances.</summary>
    protected const int MostRow = (1 << MostShift) + 4;

    private readonly int half = precision == RecurrentPrecision.Fp32 ? 0 : 1;

    /// <summary>The queue.</summary>
    protected AcceleratorStream Stream => engine.Stream;

    /// <summary>How many multiprocessors launches of a frame are divided for: a P100's, and not the device's own number, so that their sums have the same order on all of them.</summary>
    protected int Multiprocessors => engine.Multiprocessors;

    /// <summary>The length of so many weights as they are packed, in fp32 elements.</summary>
    protected int PackedLength(int weights) => weights >> half;

    /// <summary>Queues packing U.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="recurrent">U of one direction, [3H, H].</param>
    /// <param name="packed">Where to.</param>
    /// <param name="items">The threads that have something to do.</param>
    /// <param name="threads">Threads of a group.</param>
    protected void Pack(PackLauncher kernel, Tensor recurrent, Tensor packed, int items, int threads)
    {
        int h = recurrent.Shape[1];
        kernel(
            Stream, IlgpuEngine.Cover(items, threads), recurrent.View(), packed.View(), items, h, half, new GemmOperand(recurrent, 0, h).Aligned ? 1 : 0);
    }

    /// <summary>The groups of a frame: utterances, units, directions.</summary>
    protected static KernelConfig Frame(GruStep step, int directions, int units, int threads) =>
        new(new Index3D(Groups(step.N, 1 << step.Shift), Groups(step.H, units), directions), new Index3D(threads, 1, 1));

    /// <summary>Utterances of a group, as a power of two: as many as there are, up to 32.</summary>
    protected static int ShiftFor(int utterances)
    {
        int shift = LeastShift;
        while (shift < MostShift && 1 << shift < utterances)
            shift++;
        return shift;
    }

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

    /// <summary>The elements of what is handed from frame to frame: of two frames, the one written and the one read, a group's chunks each.</summary>
    protected static int TwoFrames(GruShape shape, int shift, int chunks, int chunkLength) =>
        checked(2 * shape.Directions * Groups(shape.N, 1 << shift) * chunks * chunkLength);

    /// <summary>So many groups of <paramref name="each"/> hold all items.</summary>
    protected static int Groups(int items, int each) => (items + each - 1) / each;
}
