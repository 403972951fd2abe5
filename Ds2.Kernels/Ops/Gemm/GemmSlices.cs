namespace Ds2.Kernels.Ops;

/// <summary>How a product on a GPU divides its sum over k among groups: into <paramref name="Count"/> slices of <paramref name="Blocks"/> blocks each, the last of which may be shorter.</summary>
/// <remarks>
/// A weight gradient has few tiles and a long sum: of 16 tiles a multiprocessor in three has one, and the others wait. Cut in slices (split-K, as CUTLASS calls it), there are as many groups as
/// multiprocessors want; each slice's sums cross memory once more, twice in all, and a second launch adds them up. What that costs follows from the sizes and constants alone, never from the device
/// or from times, and so do the bits. Source: CUTLASS, "Efficient GEMM in CUDA", on parallelized reductions.
/// </remarks>
internal readonly record struct GemmSlices(int Count, int Blocks)
{
    // Cycles of a multiprocessor, on a P100: a k of a tile (128 x 128 multiply-adds by 64 lanes, at 0.94), what a group takes besides (its first fetch, the barriers around it, its
    // stores), and the second launch.
    private const int CyclesOfK = 272;
    private const int CyclesOfStart = 2000;
    private const int CyclesOfLaunch = 2700;

    // Floats that all multiprocessors together can write and read again in a cycle, by the memory's rate.
    private const int FloatsOfCycle = 55;

    // With more groups than that for each multiprocessor, at most an eighth is lost to multiprocessors that have one fewer.
    private const int MostGroups = 8;

    // A slice of fewer blocks would be mostly start.
    private const int LeastBlocks = 4;

    /// <summary>Blocks of k in a sum, the first of which may be shorter.</summary>
    public static int BlocksOf(int k) => (k + GemmKernels.Depth - 1) / GemmKernels.Depth;

    /// <summary>As many slices as a product is worth.</summary>
    /// <param name="shape">The sizes; M and N positive.</param>
    /// <param name="multiprocessors">For how many multiprocessors work is divided.</param>
    public static GemmSlices Of(GemmShape shape, int multiprocessors)
    {
        int blocks = BlocksOf(shape.K), most = Most(shape, multiprocessors);
        var best = new GemmSlices(1, blocks);
        long least = Cycles(best);
        for (int slices = 2; slices <= most; slices++)
        {
            int each = (blocks + slices - 1) / slices;
            var next = new GemmSlices((blocks + each - 1) / each, each);
            if (Cycles(next) is long cycles && cycles < least)
                (best, least) = (next, cycles);
        }

        return best;

        long Cycles(GemmSlices slices)
        {
            long rounds = (Tiles(shape) * slices.Count + multiprocessors - 1) / multiprocessors;
            long sums = rounds * ((long)slices.Blocks * GemmKernels.Depth * CyclesOfK + CyclesOfStart);
            return slices.Count == 1 ? sums : sums + (long)slices.Count * shape.M * shape.N / FloatsOfCycle + CyclesOfLaunch;
        }
    }

    /// <summary>No fewer slices than <see cref="Of"/> gives for this product, or for one of a shorter sum: what memory is taken for.</summary>
    public static int Most(GemmShape shape, int multiprocessors) => (int)Math.Max(1, Math.Min(multiprocessors * MostGroups / Tiles(shape), BlocksOf(shape.K) / LeastBlocks));

    private static long Tiles(GemmShape shape) => (long)GemmKernels.Tiles(shape.M) * GemmKernels.Tiles(shape.N);
}
