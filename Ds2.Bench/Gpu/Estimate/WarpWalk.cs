namespace Ds2.Bench.Gpu.Estimate;

/// <summary>What a stretch of machine code costs a scheduler of a P100.</summary>
/// <remarks>
/// A multiprocessor has two schedulers of 32 lanes. A scheduler takes its warps in turn, an instruction of one, then of the next, so that all are at the same place: while one
/// waits for a load that it has just started, so do the others, and the wait shows unless the instructions between load and use, of all warps, last as long. (Schedulers that let one warp run ahead hide more.)
/// </remarks>
/// <param name="BusyCycles">For each warp: cycles in which it keeps the scheduler, or the unit that its instructions need most.</param>
/// <param name="WaitCycles">For all warps together: cycles in which none can go on.</param>
internal readonly record struct WarpWalk(double BusyCycles, double WaitCycles)
{
    /// <summary>From an instruction to one that needs its result. Source: Jia et al., arXiv:1804.06826, table 4.1 (Pascal).</summary>
    private const double Dependent = 6;

    /// <summary>The same for loads from shared memory, and for functions and conversions. Source: the same, tables 3.1 and 4.1.</summary>
    private const double SharedLatency = 24, FunctionLatency = 14;

    // Results a cycle of a multiprocessor, of which the full rate is 64. Source: NVIDIA, CUDA C++ Programming Guide, throughput of arithmetic instructions, compute capability 6.0.
    private static readonly HashSet<string> HalfRate = ["BFE", "BFI", "FCMP", "FMNMX", "FSET", "FSETP", "ICMP", "IMNMX", "ISET", "ISETP", "SHF", "SHL", "SHR", "DADD", "DFMA", "DMUL"];
    private static readonly HashSet<string> QuarterRate = ["F2F", "F2I", "FLO", "I2F", "I2I", "MUFU", "POPC"];
    private static readonly HashSet<string> Shared = ["LDS", "STS"];

    /// <summary>Walks through a loop's own instructions, or those outside loops.</summary>
    /// <param name="loop">The code.</param>
    /// <param name="repeats">Whether its end is followed by its start.</param>
    /// <param name="warps">That the scheduler takes in turn.</param>
    /// <param name="loadLatency">Cycles from a load from global memory to its value.</param>
    /// <param name="conflictsCost">Whether a register-bank conflict costs a cycle.</param>
    /// <param name="from">Its first instruction that is looked at.</param>
    /// <param name="to">The first that is not.</param>
    public static WarpWalk Of(CodeLoop loop, bool repeats, double warps, double loadLatency, bool conflictsCost, int from = 0, int to = int.MaxValue)
    {
        double[] ready = new double[256];
        double time = 0, waited = 0, issued = 0, half = 0, quarter = 0, passes = 0;

        // The second time round, what was started at the end of the first is on its way.
        for (int round = repeats ? 0 : 1; round < 2; round++)
        {
            (waited, issued, half, quarter, passes) = (0, 0, 0, 0, 0);
            for (int i = from; i < Math.Min(to, loop.Own.Count); i++)
            {
                SassInstruction instruction = loop.Own[i];
                RegisterUse registers = loop.Registers[i];
                double needed = time;
                foreach (int register in registers.Read)
                    needed = Math.Max(needed, ready[register]);
                foreach (int register in registers.Written)
                    needed = Math.Max(needed, ready[register]);
                waited += needed - time;
                double cycles = (instruction.WithNext ? 0 : 1) + (conflictsCost ? loop.Conflicts[i] : 0);
                issued += cycles;
                half += HalfRate.Contains(instruction.Name) ? 2 : 0;
                quarter += QuarterRate.Contains(instruction.Name) ? 4 : 0;

                // 128 bytes a cycle, of both schedulers: a warp's 32 bits are a pass, if all lanes read other words and no two of them of one bank.
                passes += Shared.Contains(instruction.Name) ? instruction.Bits / 32 * 2 : 0;
                time = needed + cycles * warps;
                double latency = instruction.Name is "LD" or "LDG" ? loadLatency
                    : instruction.Name == "LDS" ? SharedLatency
                    : QuarterRate.Contains(instruction.Name) || instruction.Name == "S2R" ? FunctionLatency
                    : Dependent;
                foreach (int register in registers.Written)
                    ready[register] = time + latency;
            }
        }

        return new WarpWalk(Math.Max(Math.Max(issued, half), Math.Max(quarter, passes)), waited);
    }
}
