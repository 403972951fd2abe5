using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using PackRowsLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, int>;

/// <summary>What the kernels that compute all frames in one launch share, forward and backward: U stays in the registers of groups that all run at the same time.</summary>
/// <remarks>
/// Between two frames the groups of a direction wait for each other at a <see cref="GridBarrier"/>; the directions do not wait for each other, so that one computes while the other waits.
/// A P100's multiprocessor holds two groups, and all of them up to 512 units of two directions, whose U takes 60 KB of a group's 128 KB of registers, at most.
/// A launch takes eight utterances; up to <see cref="MostUtterances"/> go one eight after the other. Where the groups do not fit the device, and elsewhere than on CUDA, a launch is a frame (<see cref="GruFrameKernel"/>).
/// Source: Diamos et al., "Persistent RNNs", ICML 2016.
/// </remarks>
/// <param name="engine">The engine.</param>
/// <param name="precision">How U is packed.</param>
/// <param name="kernel">Computes all frames.</param>
internal abstract class GruPassKernel(IlgpuEngine engine, RecurrentPrecision precision, Delegate kernel)
{
    /// <summary>Utterances of a launch.</summary>
    public const int Utterances = 8;

    /// <summary>Beyond so many, the groups of a frame's launch share what they read of U, and gain on these.</summary>
    public const int MostUtterances = 16;

    /// <summary>Products of elements of U and one utterance's that a group computes in a frame, zeros beyond the last unit among them.</summary>
    public const int GroupProducts = 3 * Units * MostHidden;

    /// <summary>Hidden units of a group.</summary>
    protected const int Units = 10;

    /// <summary>The most hidden units.</summary>
    protected const int MostHidden = 512;

    private const int PackThreads = 256;

    private readonly CooperativeKernel? kernel = engine.LoadCooperative(kernel);

    // Null without the kernel: it wants half precision, which some devices that cannot run the kernel lack.
    private readonly PackRowsLauncher? packRows = engine.HasCooperativeLaunch ? engine.Load<PackRowsLauncher>(PackRowsKernel) : null;

    /// <summary>The engine.</summary>
    protected IlgpuEngine Engine => engine;

    /// <summary>Whether the device can run a layer so.</summary>
    public bool Fits(GruShape shape) => shape.N <= MostUtterances && Fits(shape.H, shape.Directions);

    /// <summary>The length of one direction's U as the kernels read it; 0 where the device cannot run them for so many units.</summary>
    public int PackedLength(int h) => Fits(h, 1) ? checked(3 * h * Stride(h)) : 0;

    /// <summary>Queues copying U: once for all frames.</summary>
    /// <param name="recurrent">U of one direction, [3H, H].</param>
    /// <param name="rows">[<see cref="PackedLength"/>]; overwritten.</param>
    public void Pack(Tensor recurrent, Tensor rows)
    {
        int h = recurrent.Shape[1], fours = rows.Length / 4;
        int half = precision == RecurrentPrecision.Fp16 ? 1 : 0, aligned = new GemmOperand(recurrent, 0, h).Aligned ? 1 : 0;
        if (fours > 0)
            packRows!(engine.Stream, IlgpuEngine.Cover(fours, PackThreads), recurrent.View(), rows.View(), fours, h, half, aligned);
    }

    /// <summary>The kernel, where the device can run it.</summary>
    protected CooperativeKernel Kernel => kernel!;

    /// <summary>The groups of a direction.</summary>
    protected static int Groups(int h) => (h + Units - 1) / Units;

    /// <summary>From one row of U to the next, as the kernels read it: rows start multiples of four floats apart.</summary>
    protected static int Stride(int h) => (h + 3) / 4 * 4;

    /// <summary>The barriers of a launch, one a direction.</summary>
    protected static Shape Barriers(GruShape shape) => new(shape.Directions * GridBarrier.Stride);

    private bool Fits(int h, int directions) => h <= MostHidden && kernel is not null && Groups(h) * directions <= kernel.MostGroups;

    /// <summary>A thread copies four elements of a row, zero beyond its end; rounded to half precision where U is read so.</summary>
    [GpuKernel(PackThreads, NeedsHalf = true)]
    private static void PackRowsKernel(ArrayView<float> recurrent, ArrayView<float> rows, int fours, int h, int half, int aligned)
    {
        int i = Grid.GlobalIndex.X;
        if (i < fours)
        {
            int perRow = Stride(h) / 4;
            int row = i / perRow;
            int k = (i - row * perRow) * 4;
            Float4 four = Float4.Load(recurrent, row * h + k, h - k, aligned);
            if (half != 0)
                four = EightHalves.First(EightHalves.Encode(four, four));
            rows.Cast<Float4>()[i] = four;
        }
    }
}
