using Ds2.Bench.Gpu;
using Ds2.Bench.Gpu.Estimate;

namespace Ds2.Tests.Gpu;

/// <summary>Loops of machine code, register-bank conflicts and what a scheduler makes of them, on short listings.</summary>
[TestFixture]
public sealed class CodeLoopTests
{
    /// <remarks>A loop that fills shared memory and one that multiplies inside another; then one that stores.</remarks>
    private const string Nested =
        """
                /*0008*/                   MOV R1, c[0x0][0x20] ;
                /*0010*/                   IADD R2, R2, 0x1 ;
                /*0018*/                   LDG.E.128 R4, [R2] ;
                /*0028*/                   STS.128 [R3], R4 ;
                /*0030*/               @P0 BRA 0x18 ;
                /*0038*/                   BAR.SYNC 0x0 ;
                /*0048*/                   LDS.U.128 R8, [R3] ;
                /*0050*/                   FFMA R0, R8, R9, R0 ;
                /*0058*/                   FFMA R0, R10, R11, R0 ;
                /*0068*/               @P1 BRA 0x48 ;
                /*0070*/               @P2 BRA 0x10 ;
                /*0078*/                   STG.E [R2], R0 ;
                /*0088*/               @P3 BRA 0x78 ;
                /*0090*/                   EXIT ;
                /*0098*/                   BRA 0x98 ;
                /*00a8*/                   NOP ;
        """;

    [Test]
    public void Loops_AreNestedAndHoldTheirOwnInstructions()
    {
        var code = CodeLoop.Of(Sass.Parse(Nested));
        Assert.Multiple(() =>
        {
            Assert.That(Names(code), Is.EqualTo("MOV EXIT"));
            Assert.That(code.Inner.Select(Names), Is.EqualTo(new[] { "IADD BAR BRA", "STG BRA" }));
            Assert.That(code.Inner[0].Inner.Select(Names), Is.EqualTo(new[] { "LDG STS BRA", "LDS FFMA FFMA BRA" }));
            Assert.That(code.All.Select(loop => loop.First), Is.EqualTo(new[] { 0x10, 0x18, 0x48, 0x78 }));
        });

        static string Names(CodeLoop loop) => string.Join(' ', loop.Own.Select(instruction => instruction.Name));
    }

    /// <summary>A loop's continue is one loop with it; of two that overlap the first ends with the second.</summary>
    [TestCase("/*0008*/ MOV R0, R1 ;\n/*0010*/ @P0 BRA 0x8 ;\n/*0018*/ @P1 BRA 0x8 ;", new[] { 0x08, 0x18 })]
    [TestCase("/*0008*/ MOV R0, R1 ;\n/*0010*/ MOV R0, R1 ;\n/*0018*/ @P0 BRA 0x8 ;\n/*0028*/ @P1 BRA 0x10 ;", new[] { 0x08, 0x28, 0x10, 0x28 })]
    public void Loops_WithSeveralBranchesBack_AreWhole(string listing, int[] expected) =>
        Assert.That(CodeLoop.Of(Sass.Parse(listing)).All.SelectMany(loop => new[] { loop.First, loop.Last }), Is.EqualTo(expected));

    [TestCase("FFMA R0, R1, R2, R3 ;", 0)]
    [TestCase("FFMA R0, R1, R5, R2 ;", 1, Description = "1 and 5 lie in one bank; the result asks nobody")]
    [TestCase("FFMA R0, R1, R5, R9 ;", 2, Description = "all three do")]
    [TestCase("FFMA R1, R5, R5, R1 ;", 1, Description = "the same register is read once")]
    [TestCase("FFMA R0, R1, c[0x0][0x10], R5 ;", 1)]
    [TestCase("FFMA R0, -R4, R8, RZ ;", 1)]
    [TestCase("LDS.U.128 R4, [R8] ;", 0)]
    [TestCase("STS.128 [R4], R8 ;", 0)]
    public void Conflicts_AreOfOneBank(string text, int expected) => Assert.That(Conflicts($"/*0008*/ {text}"), Is.EqualTo(new[] { expected }));

    [Test]
    public void Conflicts_ReusedOperandsAskNoBank() => Assert.That(
        Conflicts(
            """
            /*0008*/                   FFMA R0, R1.reuse, R5, R0 ;
            /*0010*/         {         FFMA R2, R1.reuse, R9.reuse, R13 ;
            /*0018*/                   LDS R7, [R6]         }
            /*0028*/                   FFMA R3, R1, R9, R13 ;
            /*0030*/                   FFMA R4, R1, R9, R2 ;
            /*0038*/                   FFMA R4, R9, R1.reuse, R2 ;
            /*0048*/                   FFMA R4, R1, R2, R5 ;
            """),
        Is.EqualTo(new[]
        {
            1, // 1 and 5
            1, // 1 is kept; 9 and 13
            0,
            0, // 1 and 9 are kept, past the load beside
            1, // nothing is kept of an instruction without a mark
            1,
            1, // kept at another place
        }));

    [Test]
    public void Mix_HasTheConflictsOfMultiplyAddsAlone()
    {
        var mix = InstructionMix.Of(Sass.Parse("/*0008*/ FFMA R0, R1, R5, R2 ;\n/*0010*/ IADD R0, R4, R8 ;\n/*0018*/ FFMA R0, R1, R2, R3 ;"));
        Assert.That((mix.Conflicts, mix.ConflictShare), Is.EqualTo((1, 0.5)));
    }

    /// <summary>Worked by hand: two warps, 100 cycles from a load to its value, 6 from other instructions.</summary>
    [TestCase("/*0008*/ LDG.E R0, [R2] ;\n/*0010*/ FFMA R6, R0, R1, R6 ;", false, 2, 98, Description = "the load's latency, less the other warp's turn")]
    [TestCase("/*0008*/ LDG.E R0, [R2] ;\n/*0010*/ MOV R5, R7 ;\n/*0018*/ FFMA R6, R0, R1, R6 ;", false, 3, 96, Description = "two warps' moves fill two cycles")]
    [TestCase("/*0008*/ { FFMA R4, R1, R3, R4 ;\n/*0010*/ MOV R7, R8 }", false, 1, 0, Description = "a pair issues in one cycle")]
    [TestCase("/*0008*/ FFMA R4, R1, R5, R4 ;", true, 2, 2, Description = "one instruction with a conflict, again and again: two cycles for each warp, two short of six")]
    [TestCase("/*0008*/ MUFU.EX2 R0, R1 ;", false, 4, 0, Description = "an eighth of the lanes at a time")]
    [TestCase("/*0008*/ LDS.U.128 R0, [R4] ;", false, 8, 0, Description = "four passes, of both schedulers")]
    [TestCase("/*0008*/ SHL R0, R1, 0x2 ;", false, 2, 0)]
    public void Walk_CountsWhatKeepsAndWhatWaits(string listing, bool repeats, int busy, int waits)
    {
        var walk = WarpWalk.Of(CodeLoop.Of(Sass.Parse(listing)), repeats, warps: 2, loadLatency: 100, conflictsCost: true);
        Assert.That(walk, Is.EqualTo(new WarpWalk(busy, waits)));
    }

    [Test]
    public void Walk_SeesALoadThatIsUsedInTheNextRound()
    {
        CodeLoop loop = CodeLoop.Of(Sass.Parse(
            """
            /*0008*/                   FFMA R4, R0, R1, R4 ;
            /*0010*/                   LDG.E R0, [R2] ;
            /*0018*/                   FFMA R5, R1, R3, R5 ;
            /*0028*/               @P0 BRA 0x8 ;
            """)).Inner.Single();
        Assert.That(WarpWalk.Of(loop, repeats: true, warps: 8, loadLatency: 100, conflictsCost: false), Is.EqualTo(new WarpWalk(4, 100 - 3 * 8)));
        Assert.That(WarpWalk.Of(loop, repeats: true, warps: 50, loadLatency: 100, conflictsCost: false), Is.EqualTo(new WarpWalk(4, 0)));
    }

    private static IReadOnlyList<int> Conflicts(string listing) => CodeLoop.Of(Sass.Parse(listing)).Conflicts;
}
