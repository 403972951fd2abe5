namespace Ds2.Kernels.Ops;

/// <summary>A row of a plane, with zeros left and right of it.</summary>
internal static unsafe class PlaneRow
{
    /// <summary>Copies the columns first, first + step, first + 2 step, ...; those outside the row become 0.</summary>
    /// <param name="row">The row.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="first">The first column to copy; it may lie outside.</param>
    /// <param name="step">1 or more.</param>
    /// <param name="count">Elements to write.</param>
    /// <param name="to">Where to.</param>
    public static void Copy(float* row, int columns, int first, int step, int count, float* to)
    {
        // Elements index of the copy with 0 <= first + index * step < columns.
        int from = first < 0 ? Math.Min((step - 1 - first) / step, count) : 0;
        int end = first < columns ? Math.Clamp((columns - first + step - 1) / step, from, count) : from;
        float* start = row + first;
        new Span<float>(to, from).Clear();
        if (step == 1)
            new Span<float>(start + from, end - from).CopyTo(new Span<float>(to + from, end - from));
        else
            for (int index = from; index < end; index++)
                to[index] = start[(nint)index * step];
        new Span<float>(to + end, count - end).Clear();
    }
}
