using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;

namespace Ds2.Kernels.Ops;

/// <summary>What a thread sums up in the convolutions' kernels: sixteen output channels, of each four columns or four taps. Fields, not an array: only these stay in registers.</summary>
internal struct Tile16x4
{
    public Float4 S0, S1, S2, S3;
    public Float4 S4, S5, S6, S7;
    public Float4 S8, S9, S10, S11;
    public Float4 S12, S13, S14, S15;

    /// <summary>sum += the outer product of the sixteen floats of <paramref name="channels"/> from its element <paramref name="first"/> on and the four of <paramref name="x"/>.</summary>
    /// <remarks>
    /// No result depends on the order of these 64 multiply-adds, but their registers do. 128-bit loads put X to W of both operands into register banks 0 to 3, and operands of one bank cost a cycle more
    /// (up to sm_6x) unless the instruction before has read the same register in the same place. So each channel meets the element of its own bank third, when its register has been kept from
    /// the two before: 2 % of the multiply-adds conflict. From X to W 10 % do, since the assembler keeps nothing across every sixth instruction; other orders lie between.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void MultiplyAdd(ref Tile16x4 sum, ArrayView<Float4> channels, int first, Float4 x)
    {
        AddFour(ref sum.S0, ref sum.S1, ref sum.S2, ref sum.S3, channels[first], x);
        AddFour(ref sum.S4, ref sum.S5, ref sum.S6, ref sum.S7, channels[first + 1], x);
        AddFour(ref sum.S8, ref sum.S9, ref sum.S10, ref sum.S11, channels[first + 2], x);
        AddFour(ref sum.S12, ref sum.S13, ref sum.S14, ref sum.S15, channels[first + 3], x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddFour(ref Float4 s0, ref Float4 s1, ref Float4 s2, ref Float4 s3, Float4 four, Float4 x)
    {
        s0.Y = four.X * x.Y + s0.Y;
        s0.Z = four.X * x.Z + s0.Z;
        s0.X = four.X * x.X + s0.X;
        s0.W = four.X * x.W + s0.W;
        s1.Z = four.Y * x.Z + s1.Z;
        s1.W = four.Y * x.W + s1.W;
        s1.Y = four.Y * x.Y + s1.Y;
        s1.X = four.Y * x.X + s1.X;
        s2.W = four.Z * x.W + s2.W;
        s2.X = four.Z * x.X + s2.X;
        s2.Z = four.Z * x.Z + s2.Z;
        s2.Y = four.Z * x.Y + s2.Y;
        s3.X = four.W * x.X + s3.X;
        s3.Y = four.W * x.Y + s3.Y;
        s3.W = four.W * x.W + s3.W;
        s3.Z = four.W * x.Z + s3.Z;
    }
}
