using System.Security.Cryptography;
using System.Text;

namespace Ds2.Bench.Gpu;

/// <summary>A loop of machine code, or all of a kernel's: its own instructions, and the loops in it.</summary>
/// <param name="First">The address of its first instruction.</param>
/// <param name="Last">That of the branch back.</param>
/// <param name="Own">The instructions that are in no inner loop.</param>
/// <param name="Inner">The loops right in it, in the order of their addresses.</param>
internal sealed record CodeLoop(int First, int Last, IReadOnlyList<SassInstruction> Own, IReadOnlyList<CodeLoop> Inner)
{
    private InstructionMix? mix;
    private IReadOnlyList<RegisterUse>? registers;
    private IReadOnlyList<InstructionCost>? costs;
    private IReadOnlyList<int>? conflicts;

    /// <summary>What its own instructions are.</summary>
    public InstructionMix Mix => mix ??= InstructionMix.Of(Own);

    /// <summary>What its own instructions read and write.</summary>
    public IReadOnlyList<RegisterUse> Registers => registers ??= [.. Own.Select(RegisterUse.Of)];

    /// <summary>What each of its own instructions costs.</summary>
    public IReadOnlyList<InstructionCost> Costs => costs ??= [.. Own.Select(InstructionCost.Of)];

    /// <summary>Register-bank conflicts of its own instructions.</summary>
    public IReadOnlyList<int> Conflicts => conflicts ??= RegisterUse.Conflicts(Registers);

    /// <summary>Eight digits that tell its machine code from another: of a hash of all instructions, loops' too.</summary>
    public string Digest => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(
        '\n', All.Prepend(this).SelectMany(loop => loop.Own).OrderBy(instruction => instruction.Address).Select(instruction => $"{instruction.Opcode} {instruction.Operands}")))))[..8];

    /// <summary>All loops in it, each before those in it.</summary>
    public IEnumerable<CodeLoop> All => Inner.SelectMany(loop => loop.All.Prepend(loop));

    /// <summary>The innermost loops that multiply and add.</summary>
    public IReadOnlyList<InstructionMix> ArithmeticLoops =>
        [.. All.Where(loop => loop.Mix.Ffma > 0 && loop.All.All(inner => inner.Mix.Ffma == 0)).Select(loop => loop.Mix)];

    /// <summary>The loops of a kernel: from the target of a backward branch to the branch.</summary>
    /// <remarks>
    /// Branches back to the same place (a loop's <c>continue</c>) are one loop, up to the last of them; of two that overlap the first ends with the second. The branch to itself
    /// behind the kernel's end, and what fills the code up there, are left out.
    /// </remarks>
    /// <returns>What is in no loop, and the outermost loops.</returns>
    public static CodeLoop Of(IReadOnlyList<SassInstruction> code)
    {
        SassInstruction[] all = [.. code.Where(instruction => instruction.Name != "NOP" && instruction.Target != instruction.Address)];
        var loops = new List<(int First, int Last)>();
        foreach ((int first, int last) in all
            .Where(instruction => instruction.Target < instruction.Address)
            .GroupBy(instruction => instruction.Target!.Value)
            .Select(branches => (branches.Key, branches.Max(branch => branch.Address)))
            .OrderBy(loop => loop.Key))
        {
            for (int i = 0; i < loops.Count; i++)
            {
                if (loops[i].Last >= first && loops[i].Last < last)
                    loops[i] = (loops[i].First, last);
            }

            loops.Add((first, last));
        }

        return Nest(int.MinValue, int.MaxValue, all, loops);
    }

    private static CodeLoop Nest(int first, int last, IReadOnlyList<SassInstruction> code, IReadOnlyList<(int First, int Last)> within)
    {
        var inner = new List<CodeLoop>();
        foreach ((int from, int to) in within)
        {
            if (inner.Count == 0 || from > inner[^1].Last)
                inner.Add(Nest(from, to, [.. code.Where(instruction => IsIn(instruction, from, to))], [.. within.Where(loop => loop.First > from && loop.Last <= to)]));
        }

        return new CodeLoop(first, last, [.. code.Where(instruction => !inner.Any(loop => IsIn(instruction, loop.First, loop.Last)))], inner);
    }

    private static bool IsIn(SassInstruction instruction, int first, int last) => instruction.Address >= first && instruction.Address <= last;
}
