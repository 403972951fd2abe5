using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>How often a kernel's loops are gone round in a launch: the one place where its source's loops stand beside those of its machine code.</summary>
/// <remarks>
/// A kernel's loops are described from the outside in, by what they do and how much of it; their trips follow from how much the machine code does in one. So an assembler that unrolls more or
/// less changes nothing here, and a loop that appears, vanishes or does something else is refused by name. To add a kernel: a case in <see cref="Describe"/>.
/// </remarks>
internal static class LoopTrips
{
    /// <summary>The trips of each loop, from entering the loop around it to leaving; null for kernels whose time is their bytes' alone, which have no description.</summary>
    /// <param name="launch">The launch.</param>
    /// <param name="work">Its work.</param>
    /// <param name="kernel">The kernel as compiled.</param>
    /// <exception cref="InvalidOperationException">The machine code has other loops than the description.</exception>
    public static IReadOnlyDictionary<CodeLoop, double>? Of(KernelLaunch launch, LaunchWork work, CompiledKernel kernel)
    {
        if (Describe(launch, work) is not { } described)
            return null;
        var trips = new Dictionary<CodeLoop, double>(ReferenceEqualityComparer.Instance);
        try
        {
            Match(kernel.Code!, described, launch.Grid.GroupDim.X, trips);
        }
        catch (FormatException difference)
        {
            throw new InvalidOperationException(
                $"{kernel.Name}: {difference.Message}; the estimate expects {string.Join(", ", described)}, the code has {Text(kernel.Code!)} "
                + "(Ds2.Bench/Gpu/Estimate/LoopTrips.cs says which loops a kernel has)",
                difference);
        }

        return trips;
    }

    /// <summary>The part of a group's threads that go on behind its last barrier: of a recurrent cell, one for each unit and utterance.</summary>
    public static double FinishingShare(KernelLaunch launch) => launch.Arguments.OfType<GruStep>().Select(step =>
        Math.Min(1, LaunchWork.UtterancesOfGroup(step) * Math.Ceiling((double)step.H / launch.Grid.GridDim.Y) / launch.Grid.GroupDim.X)).FirstOrDefault(1);

    /// <summary>What loops a kernel has by its source, in their order.</summary>
    private static IReadOnlyList<LoopDescription>? Describe(KernelLaunch launch, LaunchWork work)
    {
        int threads = launch.Grid.GroupDim.X;
        double multiplyAdds = work.ComputedFlops / 2 / LaunchWork.Groups(launch) / threads; // of a thread
        foreach (object argument in launch.Arguments)
        {
            switch (argument)
            {
                // Blocks of k.
                case GemmArguments:
                    return [LoopDescription.Products(multiplyAdds)];

                // Chunks of k, then twice the slices' sums of half the outputs, the units' gates, what the next frame reads.
                case GruStep step when LaunchWork.IsGruProduct(launch):
                    double perThread = LaunchWork.UtterancesOfGroup(step) / threads;
                    double units = launch.Kernel.DeclaringType == typeof(GruForwardKernel) ? GruProduct.Outputs / 3 : GruProduct.Outputs;
                    var sums = LoopDescription.Of("outputs", GruProduct.Lanes * perThread, LoopDescription.Of("slices, four at a time", (threads >> step.Shift) / 4));
                    return
                    [
                        LoopDescription.Products(LaunchWork.GruChunks(step, launch) * 8 * GruProduct.Outputs), sums, sums,
                        LoopDescription.Of("gates", units * perThread), LoopDescription.Of("what the next frame reads", units * perThread),
                    ];

                case GruStream when StreamModel.PassOf(launch) is { } pass:
                    int staying = GruStreamProduct.Staying, between = Math.Max((pass.Chunks / staying) - 1, 0);
                    double slices = Math.Max(1, pass.Slices / 4);
                    return
                    [
                        LoopDescription.Of("frames", pass.T,
                        [
                            LoopDescription.Of("looks at the barrier", 1), .. Enumerable.Repeat(LoopDescription.Of("chunks that stream", between), staying),
                            LoopDescription.Of("the last chunks that stream", Math.Max(0, pass.Chunks - staying * (between + 1))),
                            .. Enumerable.Repeat(LoopDescription.Of("slices, four at a time", slices), launch.Kernel.DeclaringType == typeof(GruForwardStreamKernel) ? 6 : 2),
                        ]),
                    ];

                // Chunks of k; packing U and states has no loops and no step.
                case GruStep:
                    return [LoopDescription.Products(multiplyAdds)];
                case Correlation correlation:
                    return Correlate(correlation, threads);
                case TapGradient plan:
                    return SumWindows((Conv2dShape)launch.Arguments.First(other => other is Conv2dShape), plan, threads);
                default:
                    break;
            }
        }

        return null;
    }

    private static IReadOnlyList<LoopDescription> Correlate(Correlation correlation, int threads)
    {
        double blocks = Math.Max(1, Math.Ceiling((double)correlation.TapColumns / correlation.TapBlock)), taps = correlation.TapColumns / blocks;
        int columns = Math.Min(CorrelationKernel.TileColumns, correlation.Columns);

        // Of a stage, on the mean of all rows of the output.
        double stages = LaunchWork.TapRows(correlation, correlation.StagedRows) / correlation.Rows;
        double rows = stages == 0 ? 0 : LaunchWork.TapRows(correlation) / correlation.Rows / stages;
        double elements = correlation.ColumnScale == 1 ? 0 : (columns - 1) * correlation.Residues + taps;

        // Of a line, on the mean of a row's: six taps at a time, then five, then one.
        int[] lines = [.. Enumerable.Range(0, correlation.Residues).Select(residue => (int)Math.Ceiling((taps - residue) / correlation.Residues))];
        return
        [
            LoopDescription.Of("blocks of taps", blocks,
                LoopDescription.Of("channels", correlation.Channels,
                    LoopDescription.Of("rows of the window, some at a time", stages,
                        LoopDescription.Of("elements of lines", Math.Ceiling(elements / threads)),
                        LoopDescription.Of("lines", rows * correlation.Residues,
                            LoopDescription.Of("six taps", lines.Average(line => line / 6)),
                            LoopDescription.Of("five taps", lines.Average(line => line % 6 / 5)),
                            LoopDescription.Of("taps", lines.Average(line => line % 6 % 5)))))),
            .. Enumerable.Range(0, 4).Select(_ => LoopDescription.Of("stored rows", 4, LoopDescription.Of("their elements", Math.Ceiling((columns + MeanLead) / 32)))),
        ];
    }

    private static IReadOnlyList<LoopDescription> SumWindows(Conv2dShape shape, TapGradient plan, int threads)
    {
        const int Warps = 4;
        int[] quads = [.. Enumerable.Range(0, (plan.Slots + plan.TileSlots - 1) / plan.TileSlots).Select(tile =>
            (Math.Min(plan.Slots, (tile + 1) * plan.TileSlots) - 1) / plan.Taps - tile * plan.TileSlots / plan.Taps + 1)];
        double pieces = Math.Ceiling((double)shape.OutW / plan.Columns);
        bool dense = plan.StagedStep == 1;
        return
        [
            LoopDescription.Of("lines", Math.Ceiling(4.0 * quads.Max() / threads)),
            LoopDescription.Of("output rows", plan.ChunkRows,
                LoopDescription.Of("pieces of a row", pieces,
                    LoopDescription.Of("rows of dY, a quarter of a warp's eight at a time", 8.0 / Warps),
                    LoopDescription.Of("lines of a warp, two at a time", quads.Average(some => (some + 1) / 2),
                        LoopDescription.Of("elements far apart", dense ? 0 : Math.Ceiling(plan.Span / 32.0)),
                        LoopDescription.Of("those of the second", dense ? 0 : Math.Ceiling(plan.Span / 32.0)),
                        LoopDescription.Of("elements", dense ? Math.Ceiling((plan.Span + MeanLead) / 96) : 0)),
                    LoopDescription.Products(TapGradientKernel.TileOutputs * TapGradientKernel.TileTaps * Math.Ceiling(shape.OutW / pieces / 4) * 4 / threads))),
        ];
    }

    /// <summary>Lanes that stay idle at a row's start, so that its first load is a whole sector of eight floats: on the mean.</summary>
    private const double MeanLead = 3.5;

    private static void Match(CodeLoop around, IReadOnlyList<LoopDescription> described, int threads, Dictionary<CodeLoop, double> trips)
    {
        if (around.Inner.Count != described.Count)
            throw new FormatException($"{described.Count} loops expected, {around.Inner.Count} found");
        foreach ((CodeLoop loop, LoopDescription description) in around.Inner.Zip(described))
        {
            trips.Add(loop, description.Trips(loop, around, threads));
            Match(loop, description.Inner, threads, trips);
        }
    }

    private static string Text(CodeLoop code) =>
        string.Join(", ", code.Inner.Select(loop => $"{loop.First:x4} with {loop.Mix.Ffma} FFMA, {loop.Mix.Ldg} LDG, {loop.Mix.Sts} STS" + (loop.Inner.Count > 0 ? $" ({Text(loop)})" : "")));
}

/// <summary>A loop of a kernel's source: what it does, from entering the loop around it to leaving.</summary>
/// <param name="Name">What it goes through.</param>
/// <param name="Amount">How much.</param>
/// <param name="Does">What that counts.</param>
/// <param name="Inner">The loops in it, in their order.</param>
internal sealed record LoopDescription(string Name, double Amount, LoopDescription.Work Does, IReadOnlyList<LoopDescription> Inner)
{
    /// <summary>What the amount of a loop counts.</summary>
    internal enum Work
    {
        /// <summary>Its trips.</summary>
        Trips,

        /// <summary>Multiply-adds of a thread, those among them that the code has before or behind the loop.</summary>
        Products,

        /// <summary>Floats that a group brings from global to shared memory.</summary>
        Fill,
    }

    /// <summary>A loop of known trips.</summary>
    public static LoopDescription Of(string name, double trips, params LoopDescription[] inner) => new(name, trips, Work.Trips, inner);

    /// <summary>A loop that multiplies and adds, so often a thread.</summary>
    public static LoopDescription Products(double multiplyAdds) => new("products", multiplyAdds, Work.Products, []);

    /// <summary>A loop that brings floats to shared memory, so many a group.</summary>
    public static LoopDescription Fill(double floats) => new("filling", floats, Work.Fill, []);

    /// <summary>How often a loop of the machine code is gone round.</summary>
    /// <exception cref="FormatException">It does something else.</exception>
    public double Trips(CodeLoop loop, CodeLoop around, int threads)
    {
        InstructionMix mix = loop.Mix;

        // Half a trip's or more around the loop are products too, before or behind it; fewer are other arithmetic.
        int peeled = 2 * around.Mix.Ffma >= mix.Ffma ? around.Mix.Ffma : 0;
        double floats = threads * mix.GlobalLoadBits.Sum(width => width.Key * width.Value) / 32.0;
        return Does switch
        {
            Work.Products when mix.Ffma > 0 => Amount == 0 ? 0 : Math.Max(1, Math.Ceiling((Amount - peeled) / mix.Ffma)),
            Work.Fill when mix.Ffma == 0 && mix.Sts > 0 && floats > 0 => Math.Ceiling(Amount / floats),
            Work.Trips => Amount,
            _ => throw new FormatException($"the loop at {loop.First:x4} does not do what {this} does"),
        };
    }

    /// <inheritdoc/>
    public override string ToString() => Inner.Count == 0 ? Name : $"{Name} ({string.Join(", ", Inner)})";
}
