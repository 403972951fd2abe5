using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using ILGPU;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>What a launch has to do.</summary>
/// <param name="Flops">Multiplications and additions that the result needs.</param>
/// <param name="ComputedFlops">Those that its groups compute, the parts of tiles beyond the edge among them.</param>
/// <param name="Bytes">What must cross memory: each operand once, twice where it is read and written.</param>
/// <param name="SerialSteps">How often a thread waits for what it has just made: frames of a recursion within one launch.</param>
/// <param name="LoadedBytes">What its loops load of the second-level cache where lanes of a warp load the same; 0: what their instructions say.</param>
internal readonly record struct LaunchWork(double Flops, double ComputedFlops, double Bytes, int SerialSteps = 0, double LoadedBytes = 0)
{
    // Kernels update these in place, so that they cross memory twice.
    private static readonly HashSet<string> Updated = ["parameters", "velocity", "firstMoment", "secondMoment"];

    /// <summary>The work of a launch, from its arguments.</summary>
    public static LaunchWork Of(KernelLaunch launch)
    {
        string[] names = [.. launch.Kernel.GetParameters().Select(parameter => parameter.Name!)];
        foreach (object argument in launch.Arguments)
        {
            switch (argument)
            {
                case GemmArguments product:
                    return Product(product, launch);
                case SlicedSum sum:
                    return new LaunchWork(0, 0, 4.0 * sum.M * sum.N * (sum.Slices + (sum.Beta == 0 ? 1 : 2)));
                case Correlation correlation:
                    return Correlate(correlation, launch, AllBytes());
                case TapGradient plan:
                    var convolution = (Conv2dShape)launch.Arguments[names.IndexOf("shape")];
                    double columns = RoundUp(convolution.OutW, 4);
                    double perGroup = 2.0 * TapGradientKernel.TileOutputs * TapGradientKernel.TileTaps * plan.ChunkRows * columns;
                    return new LaunchWork(convolution.Flops, Groups(launch) * perGroup, AllBytes());
                case GruStep step:
                    return Frame(step, launch, Bytes("packed"));
                case GruPass pass:
                    return Pass(pass, launch, Bytes("packed"));
                case GruStream when StreamModel.PassOf(launch) is { } pass:
                    return Stream(pass, launch);
                case CtcShape shape when !names.Contains("dLogits"):
                    return new LaunchWork(0, 0, AllBytes(), shape.T * (int)Math.Ceiling((double)shape.States / launch.Grid.GroupDim.X));
                default:
                    break;
            }
        }

        return new LaunchWork(0, 0, AllBytes());

        double Bytes(string name) => ((IArrayView)launch.Arguments[names.IndexOf(name)]).LengthInBytes;

        double AllBytes() => launch.Arguments.Zip(names).Sum(pair => pair.First is IArrayView view ? view.LengthInBytes * (Updated.Contains(pair.Second) ? 2.0 : 1) : 0);
    }

    /// <summary>Rows of taps that lie inside the image, of all output rows; or how often so many of them at a time are taken.</summary>
    public static double TapRows(Correlation correlation, int together = 1) => Enumerable.Range(0, correlation.Rows).Sum(row =>
    {
        int first = row * correlation.RowScale + correlation.RowShift;
        int inside = Math.Max(0, Math.Min(correlation.TapRows, correlation.Height - first) - Math.Max(0, -first));
        return (inside + together - 1) / together;
    });

    /// <summary>How many groups a launch has.</summary>
    public static int Groups(KernelLaunch launch) => launch.Grid.GridDim.Size;

    /// <summary>A product; where its sums are cut, each slice's tile of C is written. Or several, each with a z of its own.</summary>
    private static LaunchWork Product(GemmArguments product, KernelLaunch launch)
    {
        int slices = launch.Grid.GridDim.Z;
        if (product.NextA > 0)
        {
            // Of a symmetric one A times its own transpose is what is read and multiplied; half of C is stored turned.
            bool isSymmetric = launch.Kernel.Name.StartsWith("MultiplySymmetric", StringComparison.Ordinal);
            double needed = isSymmetric ? (product.N + 1) / 2.0 : product.N;
            return new LaunchWork(
                2.0 * slices * product.M * needed * product.K,
                2.0 * Groups(launch) * GemmKernels.Tile * GemmKernels.Tile * product.K,
                4.0 * slices * ((double)product.M * product.K + (isSymmetric ? 0.0 : (double)product.K * product.N) + (double)product.M * product.N));
        }

        double longest = Math.Min(product.K, product.SliceBlocks * GemmKernels.Depth);
        return new LaunchWork(
            2.0 * product.M * product.N * product.K,
            2.0 * Groups(launch) * GemmKernels.Tile * GemmKernels.Tile * longest,
            4.0 * ((double)product.M * product.K + (double)product.K * product.N + (product.Beta == 0 ? 1.0 : 2.0) * slices * product.M * product.N));
    }

    /// <summary>A correlation; the kernel skips the rows of taps that lie outside the image.</summary>
    private static LaunchWork Correlate(Correlation correlation, KernelLaunch launch, double bytes)
    {
        double eachOutput = 2.0 * TapRows(correlation) * correlation.Channels * correlation.TapColumns;
        int images = launch.Grid.GridDim.Z / CorrelationKernel.Tiles(correlation.Outputs);
        int columns = launch.Grid.GridDim.X * CorrelationKernel.TileColumns;
        return new LaunchWork(
            eachOutput * images * correlation.Outputs * correlation.Columns, eachOutput * launch.Grid.GridDim.Z * CorrelationKernel.TileOutputs * columns, bytes);
    }

    /// <summary>A frame of the recurrence: U, then for each unit its three gates and candidate, both ways, and its states or their gradients (two read, one written).</summary>
    private static LaunchWork Frame(GruStep step, KernelLaunch launch, double packed)
    {
        int directions = launch.Grid.GridDim.Z;
        double products = step.Done == 0 ? 0 : 2.0 * directions * 3 * step.H * step.H; // The first frame has no state before it.
        double weights = step.Done == 0 ? 0 : packed;
        double loaded = 0;
        if (IsGruProduct(launch))
        {
            int threads = launch.Grid.GroupDim.X, depth = GruProduct.ChunkLength(threads) >> step.Shift; // k of a chunk
            bool isHalf = launch.Kernel.Name.Contains("Half", StringComparison.Ordinal);
            loaded = (double)Groups(launch) * GruChunks(step, launch) * (4.0 * GruProduct.ChunkLength(threads) + (isHalf ? 2.0 : 4.0) * GruProduct.Outputs * depth);
        }

        return new LaunchWork(
            products * step.N, products * launch.Grid.GridDim.X * UtterancesOfGroup(step), weights + 4.0 * directions * step.N * step.H * (2 * 3 + 2 + 3), LoadedBytes: loaded);
    }

    /// <summary>Utterances that a group of a recurrent cell computes, some of which may not exist.</summary>
    public static double UtterancesOfGroup(GruStep step) => 1 << step.Shift;

    /// <summary>Whether a recurrent cell is one of those that share <see cref="GruProduct"/>: all but the backward cell of few utterances or units.</summary>
    public static bool IsGruProduct(KernelLaunch launch) =>
        launch.Kernel.DeclaringType == typeof(GruForwardKernel) || launch.Kernel.Name.Contains("Wide", StringComparison.Ordinal);

    /// <summary>The chunks of k of a cell with <see cref="GruProduct"/>; none in the first frame.</summary>
    public static int GruChunks(GruStep step, KernelLaunch launch) => step.Done == 0
        ? 0
        : GruProduct.Chunks(launch.Kernel.DeclaringType == typeof(GruForwardKernel) ? step.H : 3 * step.H, launch.Grid.GroupDim.X, step.Shift);

    /// <summary>All frames of the recurrence of up to eight utterances: U once, and of each frame what a launch a frame moves.</summary>
    private static LaunchWork Pass(GruPass pass, KernelLaunch launch, double weights)
    {
        int directions = launch.Grid.GridDim.Z;
        double frames = pass.T + (pass.HasInitial != 0 ? 0 : -1);
        int utterances = Math.Min(GruPassKernel.Utterances, pass.N - pass.First);
        double each = 2.0 * directions * 3 * pass.H * pass.H;
        return new LaunchWork(
            frames * each * utterances, frames * 2 * Groups(launch) * GruPassKernel.GroupProducts * GruPassKernel.Utterances,
            weights + 4.0 * directions * pass.T * utterances * pass.H * (2 * 3 + 2 + 3));
    }

    /// <summary>All frames of the recurrence of a wide layer: what stays of U once, the rest and what a launch a frame moves in each frame.</summary>
    private static LaunchWork Stream(GruStream pass, KernelLaunch launch)
    {
        int directions = launch.Grid.GridDim.Z;
        double frames = pass.T + (pass.HasInitial != 0 ? 0 : -1);
        double each = 2.0 * directions * 3 * pass.H * pass.H;
        return new LaunchWork(
            frames * each * pass.N,
            frames * 2 * Groups(launch) * pass.Chunks * GruStreamProduct.Threads * StreamModel.PieceProducts(launch),
            frames * StreamModel.StreamedBytes(launch, pass) + StreamModel.StayingBytes(launch, pass) + 4.0 * directions * pass.T * pass.N * pass.H * (2 * 3 + 2 + 3));
    }

    private static double RoundUp(int value, int unit) => (value + unit - 1) / unit * unit;
}
