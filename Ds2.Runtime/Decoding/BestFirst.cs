namespace Ds2.Runtime.Decoding;

/// <summary>The best of many candidates, in expected time proportional to their number.</summary>
/// <param name="precedes">Which of two numbers is the better one where scores are equal.</param>
internal sealed class BestFirst(Func<int, int, bool> precedes)
{
    private (double Score, int Number)[] items = new (double, int)[256];
    private int count;

    /// <summary>The candidates.</summary>
    public ReadOnlySpan<(double Score, int Number)> Items => items.AsSpan(0, count);

    /// <summary>Forgets all candidates.</summary>
    public void Clear() => count = 0;

    /// <summary>Adds one.</summary>
    public void Add(double score, int number)
    {
        if (count == items.Length)
            Array.Resize(ref items, 2 * count);
        items[count++] = (score, number);
    }

    /// <summary>Forgets all but the best; those are in no order.</summary>
    /// <remarks>Hoare's quickselect (1961), the pivot being the median of three.</remarks>
    public void KeepBest(int wanted)
    {
        if (wanted >= count)
            return;
        int low = 0, high = count - 1;
        while (low < high)
        {
            (double, int) pivot = Median(items[low], items[(low + high) >>> 1], items[high]);
            int i = low, j = high;
            while (i <= j)
            {
                while (Better(items[i], pivot))
                    i++;
                while (Better(pivot, items[j]))
                    j--;
                if (i <= j)
                {
                    (items[i], items[j]) = (items[j], items[i]);
                    i++;
                    j--;
                }
            }

            // All up to j are at least as good as all from i on.
            if (wanted <= j + 1)
            {
                if (wanted == j + 1)
                    break;
                high = j;
            }
            else if (wanted > i)
            {
                low = i;
            }
            else
            {
                break;
            }
        }

        count = wanted;
    }

    /// <summary>Puts the best first.</summary>
    public void Sort() => items.AsSpan(0, count).Sort((one, other) => Better(one, other) ? -1 : Better(other, one) ? 1 : 0);

    private (double Score, int Number) Median((double Score, int Number) a, (double Score, int Number) b, (double Score, int Number) c)
    {
        if (Better(b, a))
            (a, b) = (b, a);
        return Better(c, a) ? a : Better(c, b) ? c : b;
    }

    private bool Better((double Score, int Number) one, (double Score, int Number) other) =>
        one.Score > other.Score || (one.Score == other.Score && one.Number != other.Number && precedes(one.Number, other.Number));
}
