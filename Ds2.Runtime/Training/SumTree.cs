namespace Ds2.Runtime.Training;

/// <summary>Neighbouring batches of a step whose gradients are added up: 2^k of them, the first at a multiple of 2^k; a branch of the step's sum.</summary>
/// <param name="First">The place of the first batch in its step.</param>
/// <param name="Count">Batches.</param>
internal readonly record struct Branch(int First, int Count)
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
        var branches = new List<Branch>();
        for (int place = first; place < end; place++)
            Push(branches, new Branch(place, 1));
        return branches;
    }

    /// <summary>The most branches that wait while the last batch is worked on or joined, itself apart.</summary>
    /// <param name="first">The first batch's place.</param>
    /// <param name="end">The place after the last one's.</param>
    public static int MostWaiting(int first, int end)
    {
        int most = 0;
        var branches = new List<Branch>();
        for (int place = first; place < end - 1; place++)
        {
            Push(branches, new Branch(place, 1));
            most = Math.Max(most, branches.Count);
        }

        return most;
    }

    private static void Push(List<Branch> branches, Branch branch)
    {
        while (branches is [.., var last] && last.IsHalfWith(branch))
        {
            branch = last.With(branch);
            branches.RemoveAt(branches.Count - 1);
        }

        branches.Add(branch);
    }
}
