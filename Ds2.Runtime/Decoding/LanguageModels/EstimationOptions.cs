namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>How a model is estimated from text.</summary>
/// <param name="Order">Words of the longest n-grams, 1 to 6.</param>
/// <param name="Prune">For each order from 1 on, n-grams seen so often or less are left out; the last one holds for all longer ones, and nothing means 0 everywhere.</param>
/// <param name="FallbackDiscounts">Discounts of n-grams counted once, twice, and more often, for orders whose own cannot be computed.</param>
public sealed record EstimationOptions(int Order, IReadOnlyList<int> Prune, IReadOnlyList<float> FallbackDiscounts)
{
    /// <summary>What lmplz takes where <c>--discount_fallback</c> names no numbers.</summary>
    public static IReadOnlyList<float> UsualFallback { get; } = [0.5f, 1, 1.5f];

    /// <summary>The threshold of an order.</summary>
    /// <param name="order">1 to <see cref="Order"/>.</param>
    public int PruneAt(int order) => Prune.Count == 0 ? 0 : Prune[Math.Min(order, Prune.Count) - 1];

    /// <summary>Holds the values against what they mean.</summary>
    /// <exception cref="InputException">One makes no sense; the line names it.</exception>
    public void Validate()
    {
        if (Order is < 1 or > NGramModel.MostOrders)
            throw new InputException($"--order {Order}: must be 1 to {NGramModel.MostOrders}");
        if (Prune.Count > Order)
            throw new InputException($"--prune: {Prune.Count} thresholds for {Order} orders");
        for (int i = 0; i < Prune.Count; i++)
        {
            if (Prune[i] < (i > 0 ? Prune[i - 1] : 0))
                throw new InputException($"--prune {string.Join(' ', Prune)}: thresholds are 0 or more and must not fall: an n-gram that is kept needs its parts");
        }
        if (FallbackDiscounts.Count != 3)
            throw new InputException($"--discount-fallback: three discounts are needed, of n-grams counted once, twice, and more often, not {FallbackDiscounts.Count}");
        for (int i = 0; i < 3; i++)
        {
            if (!(FallbackDiscounts[i] >= 0 && FallbackDiscounts[i] <= i + 1))
                throw new InputException($"--discount-fallback: the discount of a count of {i + 1} must be 0 to {i + 1}, not {FallbackDiscounts[i]}");
        }
    }
}
