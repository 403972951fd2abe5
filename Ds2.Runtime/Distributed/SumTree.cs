namespace Ds2.Runtime.Distributed;

/// <summary>Neighbouring batches of a step whose gradients are added up: 2^k of them, the first at a multiple of 2^k; a branch of the step's sum.</summary>
/// <param name="First">The place of the first batch in its step.</param>
/// <param name="Count">Batches.</param>
public readonly record struct Branch(int First, int Count)
{
    /// <summary>Whether this branch and the one right after it are the two halves of a larger one.</summary>
    public bool IsHalfWith(Branch next) => Count == next.Count && First % (2 * Count) == 0;

    /// <summary>The branch whose halves are this one and the one right after it.</summary>
    public Branch With(Branch next) => new(First, Count + next.Count);
}

/// <summary>The order in which the gradients of a step's batches are added up: it depends on their number alone, whoever has them.</summary>
/// <remarks>
/// The sum over n batches is that over the first p plus that over the other n - p, p the largest power of two below n, and so on within both: the tree of RFC 6962, section 2.1. As in a binary counter, neighbours
/// join as soon as they are the halves of a <see cref="Branch"/>; what stands in the end is added up from the last to the first. So ranks with some of the batches each join what they have, and whoever has
/// their branches goes on from there to the same bits.
/// </remarks>
internal static class SumTree
{
    /// <summary>The branches that batches leave which are added one after the other.</summary>
    /// <param name="first">The first one's place.</param>
    /// <param name="end">The place after the last one's.</param>
    public static IReadOnlyList<Branch> Branches(int first, int end)
    {
        var branches = new List<(Branch Branch, int Sum)>();
        for (int place = first; place < end; place++)
            Push(branches, new Branch(place, 1), 0, (_, sum) => sum);
        return [.. branches.Select(branch => branch.Branch)];
    }

    /// <summary>The most branches that wait while a batch is worked on or joined, itself apart.</summary>
    /// <param name="first">The first batch's place.</param>
    /// <param name="end">The place after the last one's.</param>
    public static int MostWaiting(int first, int end) => Enumerable.Range(first, Math.Max(end - first, 1)).Max(place => Branches(first, place).Count);

    /// <summary>Takes in the branch after those that wait: as long as the last of them and it are halves, they are added up.</summary>
    /// <param name="waiting">The branches and their sums, in order; the new one comes last, with what it was joined with.</param>
    /// <param name="branch">The new branch.</param>
    /// <param name="sum">Its sum.</param>
    /// <param name="add">Adds an earlier sum and a later one.</param>
    public static void Push<T>(List<(Branch Branch, T Sum)> waiting, Branch branch, T sum, Func<T, T, T> add)
    {
        while (waiting is [.., var last] && last.Branch.IsHalfWith(branch))
        {
            (branch, sum) = (last.Branch.With(branch), add(last.Sum, sum));
            waiting.RemoveAt(waiting.Count - 1);
        }

        waiting.Add((branch, sum));
    }

    /// <summary>The sum of all branches of a step, from the last to the first.</summary>
    /// <param name="branches">In order; at least one.</param>
    /// <param name="add">Adds an earlier sum and a later one.</param>
    public static T Total<T>(IReadOnlyList<(Branch Branch, T Sum)> branches, Func<T, T, T> add)
    {
        T total = branches[^1].Sum;
        for (int i = branches.Count - 2; i >= 0; i--)
            total = add(branches[i].Sum, total);
        return total;
    }
}
