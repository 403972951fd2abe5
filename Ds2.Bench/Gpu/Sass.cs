using System.Globalization;
using System.Text.RegularExpressions;

namespace Ds2.Bench.Gpu;

/// <summary>An instruction of machine code.</summary>
/// <param name="Address">Where it lies in the kernel, in bytes.</param>
/// <param name="Opcode">Its name with modifiers: LDG.E.128.</param>
/// <param name="Target">Where it may jump to, or null.</param>
/// <param name="WithNext">Whether the assembler marked it to be issued in one cycle with the next instruction (up to sm_6x).</param>
internal readonly record struct SassInstruction(int Address, string Opcode, int? Target, bool WithNext = false)
{
    /// <summary>The opcode without modifiers.</summary>
    public string Name => Opcode.Split('.')[0];
}

/// <summary>Machine code as <c>cuobjdump -sass</c> prints it, and its loops.</summary>
internal static partial class Sass
{
    /// <summary>The instructions, in the order of their addresses.</summary>
    /// <remarks>
    /// Lines without an address are control words or the second half of an instruction's encoding. Up to sm_6x every fourth word, at multiples of 32
    /// bytes, is a control word, and branches may lead there: what is meant is the instruction after it.
    /// </remarks>
    public static IReadOnlyList<SassInstruction> Parse(string listing)
    {
        SassInstruction[] instructions = [.. InstructionPattern().Matches(listing).Select(match => new SassInstruction(
            Hexadecimal(match.Groups["address"].Value),
            match.Groups["opcode"].Value,
            BranchPattern().Match(match.Groups["text"].Value) is { Success: true } branch ? Hexadecimal(branch.Groups["target"].Value) : null,
            match.Groups["pair"].Length > 0))];
        HashSet<int> addresses = [.. instructions.Select(instruction => instruction.Address)];
        const int ControlWord = 8;
        return [.. instructions.Select(instruction => instruction.Target is int target && !addresses.Contains(target)
            ? instruction with { Target = target + ControlWord }
            : instruction)];
    }

    /// <summary>The innermost loops that multiply and add: from the target of a backward branch to the branch, none inside another.</summary>
    /// <remarks>Branches back to the same place (a loop's <c>continue</c>) are one loop, up to the last of them.</remarks>
    public static IReadOnlyList<InstructionMix> ArithmeticLoops(IReadOnlyList<SassInstruction> code)
    {
        (int First, int Last)[] loops = [.. code
            .Where(instruction => instruction.Target <= instruction.Address)
            .GroupBy(instruction => instruction.Target!.Value)
            .Select(branches => (First: branches.Key, Last: branches.Max(branch => branch.Address)))];
        return [.. Arithmetic(loops).Where(loop => !Arithmetic(loops).Any(inner => inner != loop && inner.First >= loop.First && inner.Last <= loop.Last))
            .Select(Mix)];

        IEnumerable<(int First, int Last)> Arithmetic(IEnumerable<(int, int)> candidates) => candidates.Where(loop => Mix(loop).Ffma > 0);

        InstructionMix Mix((int First, int Last) loop) =>
            InstructionMix.Of(code.Where(instruction => instruction.Address >= loop.First && instruction.Address <= loop.Last));
    }

    private static int Hexadecimal(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // /*0048*/    { @!P0 BRA 0x98;   /* 0xe24… */      braces mark what is issued together; the encoding may stand on another line
    [GeneratedRegex(@"^\s*/\*(?<address>[0-9a-f]{4,})\*/\s*(?<pair>\{?)\s*(?<text>(@!?U?P[T\d]\s+)?(?<opcode>[A-Z][A-Z0-9_.]*)[^;\r\n]*)", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex InstructionPattern();

    [GeneratedRegex(@"\b(BRA|JMP|BRX)\b.*?\b0x(?<target>[0-9a-f]+)", RegexOptions.ExplicitCapture)]
    private static partial Regex BranchPattern();
}
