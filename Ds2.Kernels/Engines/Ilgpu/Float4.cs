using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Four floats that a thread loads and stores with one 128-bit instruction, through <c>view.Cast&lt;Float4&gt;()</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Float4(float x, float y, float z, float w)
{
    public float X = x;
    public float Y = y;
    public float Z = z;
    public float W = w;

    /// <summary>sum + a b, element by element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 MultiplyAdd(float a, Float4 b, Float4 sum) =>
        new(a * b.X + sum.X, a * b.Y + sum.Y, a * b.Z + sum.Z, a * b.W + sum.W);

    /// <summary>sum + the scalar product of a and b, first element first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Dot(Float4 a, Float4 b, float sum)
    {
        sum = a.X * b.X + sum;
        sum = a.Y * b.Y + sum;
        sum = a.Z * b.Z + sum;
        return a.W * b.W + sum;
    }
}
