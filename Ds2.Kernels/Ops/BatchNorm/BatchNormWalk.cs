using ILGPU;

namespace Ds2.Kernels.Ops;

/// <summary>The elements that a GPU thread of <see cref="IlgpuBatchNorm"/> visits: all of one channel, in some rows, at some frames.</summary>
/// <remarks>
/// In both layouts the 32 threads of a warp read 32 neighbouring floats, and a visit is the same pair of loops:
/// <code>
/// for (int row = walk.FirstRow; row &lt; walk.EndRow; row += walk.RowStep)
///     for (int t = walk.FirstFrame, i = walk.Index(row); t &lt; walk.EndFrame; t += walk.FrameStep, i += walk.ElementStep)
///         … x[i], which is valid where t &lt; lengths[walk.Utterance(row)]
/// </code>
/// Channels first: a group has one channel and a range of the N F rows of frames; a warp takes every eighth of those rows, its lanes the frames.
/// Time-major: a group has 32 channels, one a lane, and a range of the frames, of which a warp takes every eighth; a row is an utterance.
/// </remarks>
internal readonly struct BatchNormWalk
{
    /// <summary>Threads of a group.</summary>
    public const int Threads = 256;

    /// <summary>The most ranges that a channel is divided into.</summary>
    public const int MostRanges = 64;

    private const int Lanes = 32;
    private const int Warps = Threads / Lanes;

    /// <summary>Groups that fill a large GPU twice over (P100: 56 multiprocessors of 8 groups).</summary>
    private const int EnoughGroups = 896;

    private readonly BatchNormShape shape;

    /// <summary>The calling thread's walk.</summary>
    public BatchNormWalk(BatchNormShape shape)
    {
        this.shape = shape;
        int lane = Group.IdxX % Lanes;
        int warp = Group.IdxX / Lanes;
        if (shape.Layout == BatchNormLayout.ChannelsFirst)
        {
            int rows = shape.N * shape.F;
            int range = RangeOf(rows);
            Channel = Grid.IdxX;
            FirstRow = Grid.IdxY * range + warp;
            EndRow = Math.Min(Grid.IdxY * range + range, rows);
            RowStep = Warps;
            FirstFrame = lane;
            EndFrame = shape.T;
            FrameStep = Lanes;
            ElementStep = Lanes;
        }
        else
        {
            int range = RangeOf(shape.T);
            Channel = Grid.IdxX * Lanes + lane;
            FirstRow = 0;
            EndRow = Channel < shape.C ? shape.N : 0;
            RowStep = 1;
            FirstFrame = Grid.IdxY * range + warp;
            EndFrame = Math.Min(Grid.IdxY * range + range, shape.T);
            FrameStep = Warps;
            ElementStep = Warps * shape.N * shape.C;
        }
    }

    /// <summary>The thread's channel; C or more in the last group's surplus lanes, which visit nothing.</summary>
    public int Channel { get; }

    /// <summary>Its first row.</summary>
    public int FirstRow { get; }

    /// <summary>The row after its last.</summary>
    public int EndRow { get; }

    /// <summary>From row to row.</summary>
    public int RowStep { get; }

    /// <summary>Its first frame of a row.</summary>
    public int FirstFrame { get; }

    /// <summary>The frame after a row's last.</summary>
    public int EndFrame { get; }

    /// <summary>From frame to frame.</summary>
    public int FrameStep { get; }

    /// <summary>From a frame's element to the next frame's.</summary>
    public int ElementStep { get; }

    /// <summary>Threads of a group that share a channel, <see cref="Stride"/> apart.</summary>
    public int Sharers => shape.Layout == BatchNormLayout.ChannelsFirst ? Threads : Warps;

    /// <summary>The distance between two threads that share a channel.</summary>
    public int Stride => shape.Layout == BatchNormLayout.ChannelsFirst ? 1 : Lanes;

    /// <summary>Whether the thread is the one that writes its channel's result of the group.</summary>
    public bool Writes => Group.IdxX < Stride && Channel < shape.C;

    /// <summary>Where the group's result for the thread's channel stands in [C, ranges].</summary>
    public int Slot => Channel * Grid.DimY + Grid.IdxY;

    /// <summary>The groups of a launch: blocks of channels, and ranges of the rest. A function of the shape alone.</summary>
    public static KernelConfig Config(BatchNormShape shape) =>
        new(new Index3D(Blocks(shape), Ranges(shape), 1), new Index3D(Threads, 1, 1));

    /// <summary>How many ranges a channel's elements are divided into, 1 to <see cref="MostRanges"/>.</summary>
    public static int Ranges(BatchNormShape shape)
    {
        int divisible = shape.Layout == BatchNormLayout.ChannelsFirst ? shape.N * shape.F : shape.T;
        int most = Math.Clamp(EnoughGroups / Math.Max(Blocks(shape), 1), 1, MostRanges);
        return Math.Clamp(divisible / Warps, 1, most);
    }

    /// <summary>The utterance that a row belongs to.</summary>
    public int Utterance(int row) => shape.Layout == BatchNormLayout.ChannelsFirst ? row / shape.F : row;

    /// <summary>The element at a row's <see cref="FirstFrame"/>.</summary>
    public int Index(int row)
    {
        if (shape.Layout == BatchNormLayout.ChannelsFirst)
            return ((row / shape.F * shape.C + Channel) * shape.F + row % shape.F) * shape.T + FirstFrame;
        return (FirstFrame * shape.N + row) * shape.C + Channel;
    }

    private static int Blocks(BatchNormShape shape) =>
        shape.Layout == BatchNormLayout.ChannelsFirst ? shape.C : (shape.C + Lanes - 1) / Lanes;

    private static int RangeOf(int length) => (length + Grid.DimY - 1) / Grid.DimY;
}
