namespace Ds2.Bench.Gpu;

/// <summary>What a stretch of machine code is made of.</summary>
/// <param name="Instructions">All of them; the following are parts of it and add up to it.</param>
/// <param name="Ffma">Fused multiply-adds in fp32.</param>
/// <param name="Lds">Loads from shared memory.</param>
/// <param name="Ldg">Loads from global memory (generic ones among them).</param>
/// <param name="Sts">Stores to shared memory.</param>
/// <param name="Integer">Integer arithmetic: addresses, counters, comparisons.</param>
/// <param name="Other">All else: moves, branches, barriers, other arithmetic, stores to global memory.</param>
/// <param name="Pairs">How many are issued in one cycle with the one after them: both a multiply-add and, say, a load of shared memory.</param>
/// <param name="GlobalLoadBits">How many of the loads from global memory are how wide.</param>
/// <param name="Conflicts">Register-bank conflicts of the multiply-adds (<see cref="RegisterUse.Conflicts"/>).</param>
internal sealed record InstructionMix(
    int Instructions, int Ffma, int Lds, int Ldg, int Sts, int Integer, int Other, int Pairs, IReadOnlyDictionary<int, int> GlobalLoadBits, int Conflicts)
{
    private static readonly HashSet<string> IntegerNames =
    [
        "IADD", "IADD3", "IADD32I", "IMAD", "IMAD32I", "IMUL", "IMUL32I", "XMAD", "ISETP", "ISET", "ISCADD", "ISCADD32I", "ICMP", "IMNMX", "IABS", "SHL", "SHR",
        "SHF", "LOP", "LOP3", "LOP32I", "LEA", "BFE", "BFI", "FLO", "POPC", "VIADD", "VIMNMX", "UIADD3", "UIMAD", "UISETP", "ULEA", "ULOP3", "USHF",
    ];

    /// <summary>The part of all instructions that multiplies and adds.</summary>
    public double FfmaShare => Instructions == 0 ? 0 : (double)Ffma / Instructions;

    /// <summary>Multiply-adds a cycle of a scheduler that never waits: at most what a kernel bound by arithmetic can reach of the chip's peak.</summary>
    /// <remarks>
    /// A scheduler of Maxwell and Pascal issues an instruction a cycle, or two where the assembler marked a pair (a stall count of zero in its control word, braces in
    /// the disassembly): arithmetic beside a load or a store, never two multiply-adds. Source: S. Gray, maxas, "Control Codes"; NVIDIA, "Tesla P100" whitepaper (two dispatch units a scheduler).
    /// </remarks>
    public double IssueShare => Instructions == 0 ? 0 : (double)Ffma / (Instructions - Pairs);

    /// <summary>Register-bank conflicts a multiply-add.</summary>
    public double ConflictShare => Ffma == 0 ? 0 : (double)Conflicts / Ffma;

    /// <summary>Counts instructions.</summary>
    public static InstructionMix Of(IReadOnlyList<SassInstruction> code)
    {
        int conflicts = RegisterUse.Conflicts(code.Select(RegisterUse.Of)).Zip(code).Sum(pair => IsFfma(pair.Second) ? pair.First : 0);
        int instructions = 0, ffma = 0, lds = 0, ldg = 0, sts = 0, integer = 0, other = 0, pairs = 0;
        var bits = new SortedDictionary<int, int>();
        foreach (SassInstruction instruction in code)
        {
            instructions++;
            pairs += instruction.WithNext ? 1 : 0;
            switch (instruction.Name)
            {
                case string when IsFfma(instruction):
                    ffma++;
                    break;
                case "LDS":
                    lds++;
                    break;
                case "LDG" or "LD":
                    ldg++;
                    int width = instruction.Bits;
                    bits[width] = bits.GetValueOrDefault(width) + 1;
                    break;
                case "STS":
                    sts++;
                    break;
                case string name when IntegerNames.Contains(name) && !instruction.Opcode.StartsWith("IMAD.MOV", StringComparison.Ordinal):
                    integer++;
                    break;
                default:
                    other++;
                    break;
            }
        }

        return new InstructionMix(instructions, ffma, lds, ldg, sts, integer, other, pairs, bits, conflicts);
    }

    private static bool IsFfma(SassInstruction instruction) => instruction.Name is "FFMA" or "FFMA32I";
}
