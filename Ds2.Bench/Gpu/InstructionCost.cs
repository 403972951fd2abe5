namespace Ds2.Bench.Gpu;

/// <summary>What an instruction costs a scheduler of a P100, and when its result is there.</summary>
/// <remarks>
/// Sources: NVIDIA, "CUDA C++ Programming Guide", throughput of native arithmetic instructions, compute capability 6.0 (64 results a cycle of a multiprocessor are the full rate, half of them a scheduler's); Jia et al.,
/// arXiv:1804.06826, chapters 3 and 4, for latencies of Pascal.
/// </remarks>
/// <param name="IssueCycles">0 where the assembler paired it with the next, else 1.</param>
/// <param name="HalfRateCycles">Of the units that do 16 lanes a cycle: shifts, comparisons, double precision.</param>
/// <param name="QuarterRateCycles">Of those that do 8: conversions between integers and floats, functions.</param>
/// <param name="SharedCycles">Of shared memory, which both schedulers share and which moves 128 bytes a cycle, as if no two lanes read the same or met in a bank.</param>
/// <param name="Latency">Cycles to its result; null for loads from global memory. Those past the first-level cache (.CG, .CV) fetch what other groups have just left in the second-level one.</param>
internal readonly record struct InstructionCost(int IssueCycles, int HalfRateCycles, int QuarterRateCycles, int SharedCycles, int? Latency)
{
    private const int Dependent = 6, SharedLatency = 24, FunctionLatency = 14;

    // With others waiting: 0.3 us; 234 cycles without.
    private const int CacheLatency = 400;

    private static readonly HashSet<string> HalfRate = ["BFE", "BFI", "DADD", "DFMA", "DMUL", "FCMP", "FMNMX", "FSET", "FSETP", "ICMP", "IMNMX", "ISET", "ISETP", "SHF", "SHL", "SHR"];
    private static readonly HashSet<string> QuarterRate = ["F2F", "F2I", "FLO", "I2F", "I2I", "MUFU", "POPC"];

    /// <summary>The cost of an instruction.</summary>
    public static InstructionCost Of(SassInstruction instruction)
    {
        string name = instruction.Name;
        bool quarter = QuarterRate.Contains(name);
        return new InstructionCost(
            instruction.WithNext ? 0 : 1, HalfRate.Contains(name) ? 2 : 0, quarter ? 4 : 0, name is "LDS" or "STS" ? 2 * instruction.Bits / 32 : 0,
            name is "LD" or "LDG" ? (instruction.Opcode.Contains(".CG", StringComparison.Ordinal) || instruction.Opcode.Contains(".CV", StringComparison.Ordinal) ? CacheLatency : null) : name == "LDS" ? SharedLatency : quarter || name == "S2R" ? FunctionLatency : Dependent);
    }
}
