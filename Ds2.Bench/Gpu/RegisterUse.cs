using System.Text.RegularExpressions;

namespace Ds2.Bench.Gpu;

/// <summary>The registers that an instruction reads and writes.</summary>
/// <param name="Written">Its results.</param>
/// <param name="Read">All that it needs: operands, addresses, what it stores.</param>
/// <param name="Operands">Those of arithmetic, which come through the register banks side by side.</param>
internal sealed partial record RegisterUse(IReadOnlyList<int> Written, IReadOnlyList<int> Read, IReadOnlyList<RegisterOperand> Operands)
{
    private const int Banks = 4;

    private static readonly HashSet<string> Loads = ["LD", "LDG", "LDS", "LDC", "LDL"];
    private static readonly HashSet<string> Stores = ["ST", "STG", "STS", "STL"];

    // Nor do these write one, whatever stands first.
    private static readonly HashSet<string> WithoutResult = ["BAR", "BRA", "BRK", "CAL", "DEPBAR", "EXIT", "JMP", "MEMBAR", "NOP", "PBK", "RET", "SSY", "SYNC"];

    /// <summary>Reads an instruction's operands.</summary>
    public static RegisterUse Of(SassInstruction instruction)
    {
        bool loads = Loads.Contains(instruction.Name), stores = Stores.Contains(instruction.Name);
        int width = instruction.Bits / 32;
        List<int> written = [], read = [];
        List<RegisterOperand> operands = [];
        string[] texts = instruction.Operands.Split(',');
        for (int place = 0; place < texts.Length; place++)
        {
            foreach (Match match in RegisterPattern().Matches(texts[place]))
            {
                int register = int.Parse(match.Groups["number"].Value);
                if (place == 0 && !stores && !WithoutResult.Contains(instruction.Name))
                    written.AddRange(Enumerable.Range(register, loads ? width : instruction.Name[0] == 'D' ? 2 : 1));
                else
                    read.AddRange(Enumerable.Range(register, stores && place == 1 ? width : 1));
                if (place > 0 && !loads && !stores)
                    operands.Add(new RegisterOperand(place, register, match.Groups["reuse"].Success));
            }
        }

        return new RegisterUse(written, read, operands);
    }

    /// <summary>Cycles that each instruction of a stretch takes longer because two of its operands lie in one register bank, if that costs any.</summary>
    /// <remarks>
    /// A register lies in the bank of its number modulo four; an instruction gets one register of each bank a cycle. An operand marked .reuse stays at its place for the next arithmetic
    /// instruction, which then does not ask the banks for it. Three operands of one bank count twice. Source: S. Gray, maxas, "SGEMM", for Maxwell. Whether Pascal pays is not known:
    /// one who tried saw nothing (forums.developer.nvidia.com, "Bank conflicts and reuse flags in Pascal").
    /// </remarks>
    public static IReadOnlyList<int> Conflicts(IEnumerable<RegisterUse> stretch)
    {
        var conflicts = new List<int>();
        IReadOnlyList<RegisterOperand> kept = [];
        foreach (RegisterUse use in stretch)
        {
            IEnumerable<int> asked = use.Operands
                .Where(operand => !kept.Any(one => one.Place == operand.Place && one.Register == operand.Register))
                .Select(operand => operand.Register)
                .Distinct();
            conflicts.Add(asked.GroupBy(register => register % Banks).Select(bank => bank.Count() - 1).DefaultIfEmpty(0).Max());
            if (use.Operands.Count > 0)
                kept = [.. use.Operands.Where(operand => operand.Reuse)];
        }

        return conflicts;
    }

    [GeneratedRegex(@"\bR(?<number>\d+)(?<reuse>\.reuse)?", RegexOptions.ExplicitCapture)]
    private static partial Regex RegisterPattern();
}

/// <summary>A register among an instruction's operands.</summary>
/// <param name="Place">Which operand it is.</param>
/// <param name="Register">Its number.</param>
/// <param name="Reuse">Whether the assembler has it kept for the next instruction.</param>
internal readonly record struct RegisterOperand(int Place, int Register, bool Reuse);
