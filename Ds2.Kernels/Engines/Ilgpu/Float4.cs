using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;

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

    /// <summary>The elements from <paramref name="index"/> on, zero from the <paramref name="available"/>th on.</summary>
    /// <remarks>ILGPU emits the 128-bit load only where it can trace the view to a kernel parameter: a view chosen with <c>?:</c> has lost that.</remarks>
    /// <param name="view">The matrix.</param>
    /// <param name="index">The first element, a multiple of four if aligned.</param>
    /// <param name="available">How many elements of the row are left; may be none or negative.</param>
    /// <param name="aligned">Not 0 where the matrix starts, and its rows lie, multiples of four floats apart.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 Load(ArrayView<float> view, int index, int available, int aligned)
    {
        Float4 four = default;
        if (aligned != 0 && available > 3)
        {
            four = view.Cast<Float4>()[index >> 2];
        }
        else
        {
            if (available > 0)
                four.X = view[index];
            if (available > 1)
                four.Y = view[index + 1];
            if (available > 2)
                four.Z = view[index + 2];
            if (available > 3)
                four.W = view[index + 3];
        }

        return four;
    }
}
