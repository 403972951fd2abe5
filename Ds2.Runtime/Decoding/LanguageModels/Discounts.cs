using System.Globalization;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>What modified Kneser-Ney takes off the counts 1, 2, and 3 or more of an order.</summary>
internal readonly struct Discounts
{
    private readonly float one, two, more;

    private Discounts(float one, float two, float more) => (this.one, this.two, this.more) = (one, two, more);

    /// <summary>The discount of a count.</summary>
    public float this[int count] => count switch { 0 => 0, 1 => one, 2 => two, _ => more };

    /// <summary>Chen and Goodman's equation (26): Y = n1 / (n1 + 2 n2), D_k = k - (k + 1) Y n_(k+1) / n_k, with n_k how many n-grams have the count k.</summary>
    /// <param name="counts">The counts of all n-grams of the order, those pruned among them.</param>
    /// <param name="order">For messages.</param>
    /// <param name="fallback">Taken where the formula has no answer, or none between 0 and k.</param>
    /// <param name="fault">Why the fallback was taken; null where it was not.</param>
    public static Discounts Of(IEnumerable<int> counts, int order, IReadOnlyList<float> fallback, out string? fault)
    {
        var n = new long[5];
        foreach (int count in counts)
        {
            if (count < n.Length)
                n[count]++;
        }
        float y = n[1] / (float)(n[1] + 2.0 * n[2]);
        Span<float> discounts = stackalloc float[4];
        fault = null;
        for (int k = 1; k <= 3; k++)
        {
            discounts[k] = k - (k + 1) * y * n[k + 1] / n[k];
            if (n[k] == 0)
                fault ??= $"no {order}-gram has the count {k}";
            else if (discounts[k] < 0 || discounts[k] > k)
                fault ??= string.Create(CultureInfo.InvariantCulture, $"that of {order}-grams with the count {k} would be {discounts[k]:G3}");
        }
        return fault is null ? new Discounts(discounts[1], discounts[2], discounts[3]) : new Discounts(fallback[0], fallback[1], fallback[2]);
    }
}
