using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Ds2.Kernels.Engines.Host;

/// <summary>Copies a slice of a matrix into panels, the order in which a tile's kernel reads it: for each k, <c>width</c> elements (rows of A or columns of B) side by side.</summary>
internal static unsafe class Packing
{
    /// <summary>Panels from a matrix whose stored rows run across them, panel j from <c>target + j * width * k</c>: <c>[p * width + i] = source[p * stride + j * width + i]</c>.</summary>
    /// <remarks>Row by row, as the source lies in memory. Elements of the last panel behind <paramref name="length"/> become 0.</remarks>
    public static void Across(float* source, nint stride, int length, int width, int k, float* target)
    {
        int whole = length / width * width;
        for (int p = 0; p < k; p++, source += stride, target += width)
        {
            // A panel of six is copied in eights, one of twelve in sixteens, but for the last row's: what is too much is read from the next row, and
            // overwritten with that.
            float* panel = target;
            int i = 0;
            if (Vector512.IsHardwareAccelerated && width is > 8 and < 16 && p < k - 1)
                for (; i < whole; i += width, panel += width * (nint)k)
                    Vector512.Store(Vector512.Load(source + i), panel);
            else if (Vector256.IsHardwareAccelerated && width is > 4 and < 8 && p < k - 1)
                for (; i < whole; i += width, panel += width * (nint)k)
                    Vector256.Store(Vector256.Load(source + i), panel);
            for (; i < whole; i += width, panel += width * (nint)k)
                Copy(source + i, width, panel);
            if (i < length)
            {
                Copy(source + i, length - i, panel);
                new Span<float>(panel + length - i, width - (length - i)).Clear();
            }
        }
    }

    /// <summary>A panel from a matrix whose stored rows run along k: <c>target[p * width + i] = source[i * stride + p]</c>.</summary>
    /// <remarks>Elements from <paramref name="count"/> to <paramref name="width"/> become 0.</remarks>
    public static void Along(float* source, nint stride, int count, int width, int k, float* target)
    {
        Transpose(source, stride, count, k, target, width);
        for (int i = count; i < width; i++)
            for (int p = 0; p < k; p++)
                target[(nint)p * width + i] = 0;
    }

    /// <summary>A transposition: <c>target[p * width + i] = source[i * stride + p]</c> for i &lt; rows, p &lt; columns; the rest of the target stays.</summary>
    public static void Transpose(float* source, nint stride, int rows, int columns, float* target, nint width)
    {
        int i = 0;
        if (Sse.IsSupported)
            for (; i <= rows - 4; i += 4)
                Four(source + i * stride, stride, columns, target + i, width);
        for (; i < rows; i++)
            for (int p = 0; p < columns; p++)
                target[p * width + i] = source[i * stride + p];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* source, int count, float* target)
    {
        int i = 0;
        if (Vector512.IsHardwareAccelerated)
            for (; i <= count - Vector512<float>.Count; i += Vector512<float>.Count)
                Vector512.Store(Vector512.Load(source + i), target + i);
        if (Vector256.IsHardwareAccelerated)
            for (; i <= count - Vector256<float>.Count; i += Vector256<float>.Count)
                Vector256.Store(Vector256.Load(source + i), target + i);
        if (Vector128.IsHardwareAccelerated)
            for (; i <= count - Vector128<float>.Count; i += Vector128<float>.Count)
                Vector128.Store(Vector128.Load(source + i), target + i);
        for (; i < count; i++)
            target[i] = source[i];
    }

    // Four stored rows become four neighbours of each k: blocks of 4 x 4 are transposed in registers.
    private static void Four(float* source, nint stride, int k, float* target, nint width)
    {
        int p = 0;
        for (; p <= k - 4; p += 4, source += 4, target += 4 * width)
        {
            Vector128<float> row0 = Vector128.Load(source), row1 = Vector128.Load(source + stride);
            Vector128<float> row2 = Vector128.Load(source + 2 * stride), row3 = Vector128.Load(source + 3 * stride);
            Vector128<float> low01 = Sse.UnpackLow(row0, row1), high01 = Sse.UnpackHigh(row0, row1);
            Vector128<float> low23 = Sse.UnpackLow(row2, row3), high23 = Sse.UnpackHigh(row2, row3);
            Vector128.Store(Sse.MoveLowToHigh(low01, low23), target);
            Vector128.Store(Sse.MoveHighToLow(low23, low01), target + width);
            Vector128.Store(Sse.MoveLowToHigh(high01, high23), target + 2 * width);
            Vector128.Store(Sse.MoveHighToLow(high23, high01), target + 3 * width);
        }

        for (; p < k; p++, source++, target += width)
            for (int i = 0; i < 4; i++)
                target[i] = source[i * stride];
    }
}
