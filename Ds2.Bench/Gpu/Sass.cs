using System.Globalization;
using System.Text.RegularExpressions;

namespace Ds2.Bench.Gpu;

/// <summary>An instruction of machine code.</summary>
/// <param name="Address">Where it lies in the kernel, in bytes.</param>
/// <param name="Opcode">Its name with modifiers: LDG.E.128.</param>
/// <param name="Target">Where it may jump to, or null.</param>
/// <param name="WithNext">Whether the assembler marked it to be issued in one cycle with the next instruction (up to sm_6x).</param>
/// <param name="Operands">What follows the opcode: R0, R8.reuse, R9, R0.</param>
internal readonly record struct SassInstruction(int Address, string Opcode, int? Target, bool WithNext = false, string Operands = "")
{
    /// <summary>The opcode without modifiers.</summary>
    public string Name => Opcode.Split('.')[0];

    /// <summary>Of a load or store: its width for a lane.</summary>
    public int Bits
    {
        get
        {
            string[] parts = Opcode.Split('.');
            return parts.Contains("128") ? 128 : parts.Contains("64") ? 64 : parts.Contains("U16") || parts.Contains("S16") ? 16 : parts.Contains("U8") || parts.Contains("S8") ? 8 : 32;
        }
    }
}

/// <summary>Machine code as <c>cuobjdump -sass</c> prints it.</summary>
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
            match.Groups["pair"].Length > 0,
            match.Groups["operands"].Value.Trim()))];
        HashSet<int> addresses = [.. instructions.Select(instruction => instruction.Address)];
        const int ControlWord = 8;
        return [.. instructions.Select(instruction => instruction.Target is int target && !addresses.Contains(target)
            ? instruction with { Target = target + ControlWord }
            : instruction)];
    }

    private static int Hexadecimal(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // /*0048*/    { @!P0 BRA 0x98;   /* 0xe24… */      braces mark what is issued together; the encoding may stand on another line
    [GeneratedRegex(@"^\s*/\*(?<address>[0-9a-f]{4,})\*/\s*(?<pair>\{?)\s*(?<text>(@!?U?P[T\d]\s+)?(?<opcode>[A-Z][A-Z0-9_.]*)(?<operands>[^;}\r\n]*)[^;\r\n]*)", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex InstructionPattern();

    [GeneratedRegex(@"\b(BRA|JMP|BRX)\b.*?\b0x(?<target>[0-9a-f]+)", RegexOptions.ExplicitCapture)]
    private static partial Regex BranchPattern();
}
