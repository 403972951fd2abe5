namespace Ds2.Bench.Gpu.Estimate;

/// <summary>What a stretch of machine code takes a scheduler of a P100.</summary>
/// <remarks>
/// A scheduler takes its warps in turn, an instruction of one, then of the next, so that all are at the same place: while one waits for a load that it has just started, so do the others, and the wait
/// shows unless the instructions between load and use, of all warps, last as long. (A scheduler that lets one warp run ahead hides more.)
/// </remarks>
/// <param name="BusyCycles">For each warp: cycles in which it keeps the scheduler, or the unit that its instructions need most.</param>
/// <param name="WaitCycles">For all warps together: cycles in which none can go on.</param>
internal readonly record struct WarpWalk(double BusyCycles, double WaitCycles)
{
    /// <summary>Walks through a loop's own instructions, or those outside loops.</summary>
    /// <param name="loop">The code.</param>
    /// <param name="repeats">Whether its end is followed by its start.</param>
    /// <param name="warps">That the scheduler takes in turn.</param>
    /// <param name="loadLatency">Cycles from a load from global memory to its value.</param>
    /// <param name="conflictsCost">Whether a register-bank conflict costs a cycle.</param>
    /// <param name="from">The first instruction that is looked at.</param>
    /// <param name="to">The first behind those.</param>
    public static WarpWalk Of(CodeLoop loop, bool repeats, double warps, double loadLatency, bool conflictsCost, int from = 0, int to = int.MaxValue)
    {
        double[] ready = new double[256];
        double time = 0, waited = 0, issued = 0, half = 0, quarter = 0, shared = 0;

        // The second time round, what was started at the end of the first is on its way.
        for (int round = repeats ? 0 : 1; round < 2; round++)
        {
            (waited, issued, half, quarter, shared) = (0, 0, 0, 0, 0);
            for (int i = from; i < Math.Min(to, loop.Own.Count); i++)
            {
                InstructionCost cost = loop.Costs[i];
                RegisterUse registers = loop.Registers[i];
                double start = time;
                foreach (int register in registers.Read)
                    start = Math.Max(start, ready[register]);
                foreach (int register in registers.Written)
                    start = Math.Max(start, ready[register]);
                waited += start - time;
                int cycles = cost.IssueCycles + (conflictsCost ? loop.Conflicts[i] : 0);
                issued += cycles;
                half += cost.HalfRateCycles;
                quarter += cost.QuarterRateCycles;
                shared += cost.SharedCycles;
                time = start + cycles * warps;
                foreach (int register in registers.Written)
                    ready[register] = start + (cost.Latency ?? loadLatency);
            }
        }

        return new WarpWalk(Math.Max(Math.Max(issued, half), Math.Max(quarter, shared)), waited);
    }
}
