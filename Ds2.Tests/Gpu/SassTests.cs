using Ds2.Bench.Gpu;

namespace Ds2.Tests.Gpu;

/// <summary>How the texts of NVIDIA's tools are read, on short ones.</summary>
[TestFixture]
public sealed class SassTests
{
    /// <remarks>As cuobjdump prints code for sm_60: every fourth word is a control word, and branches may lead there; braces mark a dual issue.</remarks>
    private const string Pascal =
        """
        	code for sm_60
        		Function : Kernel
                                                                                 /* 0x001fc400fe2007f6 */
                /*0008*/                   MOV R1, c[0x0][0x20] ;                /* 0x4c98078000870001 */
                /*0010*/         {         ISETP.GE.AND P0, PT, R0, R2, PT ;     /* 0x5b6d038000270007 */
                /*0018*/                   LDG.E.64 R6, [R2]         }
                                                                                 /* 0xeed4200000070206 */
                                                                                 /* 0x001fc400fe2007f6 */
                /*0028*/                   LDS.U.128 R8, [R3+0x10] ;             /* 0xef6c100001070308 */
                /*0030*/                   FFMA R0, R8, R9, R0 ;                 /* 0x59a0000000970800 */
                /*0038*/              @!P0 BRA 0x20 ;                            /* 0xe2400fffe5080000 */
                                                                                 /* 0x001fc400fe2007f6 */
                /*0048*/                   LDG.E.128.CI R4, [R2] ;               /* 0xeed6200000070204 */
                /*0050*/                   STS.128 [R3], R4 ;                    /* 0xef5e000000070304 */
                /*0058*/               @P1 BRA 0x8 ;                             /* 0xe2400fffb0010000 */
                                                                                 /* 0x001f8000ffe007ff */
                /*0068*/                   EXIT ;                                /* 0xe30000000007000f */
                /*0070*/                   BRA 0x70 ;                            /* 0xe2400fffff87000f */
        """;

    [Test]
    public void Parse_ReadsAddressesOpcodesAndTargets() => Assert.That(Sass.Parse(Pascal), Is.EqualTo(new SassInstruction[]
    {
        new(0x08, "MOV", null, Operands: "R1, c[0x0][0x20]"),
        new(0x10, "ISETP.GE.AND", null, WithNext: true, "P0, PT, R0, R2, PT"),
        new(0x18, "LDG.E.64", null, Operands: "R6, [R2]"),
        new(0x28, "LDS.U.128", null, Operands: "R8, [R3+0x10]"),
        new(0x30, "FFMA", null, Operands: "R0, R8, R9, R0"),
        new(0x38, "BRA", 0x28, Operands: "0x20"),
        new(0x48, "LDG.E.128.CI", null, Operands: "R4, [R2]"),
        new(0x50, "STS.128", null, Operands: "[R3], R4"),
        new(0x58, "BRA", 0x08, Operands: "0x8"),
        new(0x68, "EXIT", null),
        new(0x70, "BRA", 0x70, Operands: "0x70"),
    }));

    [Test]
    public void ArithmeticLoops_AreInnermost()
    {
        InstructionMix loop = CodeLoop.Of(Sass.Parse(Pascal)).ArithmeticLoops.Single();
        Assert.That((loop.Instructions, loop.Ffma, loop.Lds, loop.Ldg, loop.Other), Is.EqualTo((3, 1, 1, 0, 1)));
        Assert.That(loop.FfmaShare, Is.EqualTo(1 / 3.0));
    }

    [Test]
    public void Mix_CountsEachInstructionOnce()
    {
        InstructionMix all = InstructionMix.Of(Sass.Parse(Pascal));
        Assert.That((all.Instructions, all.Ffma, all.Lds, all.Ldg, all.Sts, all.Integer, all.Other), Is.EqualTo((11, 1, 1, 2, 1, 1, 5)));
        Assert.That((all.Pairs, all.IssueShare), Is.EqualTo((1, 0.1)));
        Assert.That(all.GlobalLoadBits, Is.EqualTo(new Dictionary<int, int> { [64] = 1, [128] = 1 }));
    }

    /// <remarks>As for sm_70 and later: 16 bytes an instruction, the second half of the encoding on its own line, uniform and reuse decorations.</remarks>
    [Test]
    public void Parse_ReadsVolta()
    {
        const string Volta =
            """
                    /*0100*/                   FFMA R10, R36.reuse, R44, R10 ;     /* 0x0000002c240a7223 */
                                                                                   /* 0x042fe2000000000a */
                    /*0110*/              @!PT LDS RZ, [RZ] ;                      /* 0x00000000ff00798f */
                                                                                   /* 0x000fe20000000800 */
                    /*0120*/               @P0 BRA `(.L_1) 0x100 ;                 /* 0xffffffd000000947 */
                                                                                   /* 0x000fea000383ffff */
            """;
        Assert.That(Sass.Parse(Volta).Select(instruction => (instruction.Opcode, instruction.Target)), Is.EqualTo(new (string, int?)[] { ("FFMA", null), ("LDS", null), ("BRA", 0x100) }));
        Assert.That(CodeLoop.Of(Sass.Parse(Volta)).ArithmeticLoops.Single().Instructions, Is.EqualTo(3));
    }

    [Test]
    public void ArithmeticLoops_WithoutMultiplyAdds_AreNone() =>
        Assert.That(CodeLoop.Of(Sass.Parse("        /*0008*/   BRA 0x8 ;")).ArithmeticLoops, Is.Empty);

    [Test]
    public void ParseReport_AddsSpills()
    {
        const string Report =
            """
            ptxas info    : Compiling entry function 'Kernel_F' for 'sm_60'
            ptxas info    : Function properties for Kernel_F
                24 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
            ptxas info    : Used 128 registers, 16896 bytes smem, 436 bytes cmem[0]
            """;
        Assert.That(CudaTools.ParseReport(Report), Is.EqualTo(new KernelResources(128, 16896, 24, 20)));
    }

    [TestCase("sm_60", 32, 0, 256, 1.0)]
    [TestCase("sm_60", 128, 16896, 256, 0.25, Description = "two groups by registers")]
    [TestCase("sm_60", 135, 21248, 128, 12 / 64.0, Description = "14 warps by registers, in each half of the multiprocessor 7; shared memory allows three groups as well")]
    [TestCase("sm_60", 32, 20000, 128, 12 / 64.0, Description = "three groups by shared memory")]
    [TestCase("sm_80", 32, 20000, 128, 28 / 64.0, Description = "seven of 164 KB, a kilobyte of each the system's")]
    [TestCase("sm_60", 16, 0, 32, 0.5, Description = "32 groups")]
    public void Occupancy_IsWhatTheScarcestResourceAllows(string target, int registers, int sharedBytes, int threads, double expected) =>
        Assert.That(Chip.All.Single(chip => chip.Target == target).Occupancy(registers, sharedBytes, threads), Is.EqualTo(expected));
}
