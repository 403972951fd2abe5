namespace Ds2.Runtime.Data;

/// <summary>Names utterances after their recordings: <c>0001</c>, or <c>s1/0001</c> where several folders have a recording of that name.</summary>
public static class UtteranceIds
{
    /// <summary>Where each recording's id stands in its path: the shortest end of the path, without the file's ending, that no other recording of the corpus has.
    /// Where two differ in the file's ending alone, it is part of the id.</summary>
    /// <param name="audioPaths">All recordings of a corpus, as full paths; equal ones have equal ids.</param>
    public static Range[] In(IReadOnlyList<string> audioPaths)
    {
        ArgumentNullException.ThrowIfNull(audioPaths);
        var ranges = new Range[audioPaths.Count];
        int[] open = [.. Enumerable.Range(0, ranges.Length)];
        for (int depth = 1; open.Length > 0; depth++)
        {
            bool longer = false;
            var seen = new Dictionary<ReadOnlyMemory<char>, int>(open.Length, Contents.Instance);
            foreach (int i in open)
            {
                Range range = Tail(audioPaths[i], depth);
                longer |= !range.Equals(ranges[i]);
                ranges[i] = range;
                ReadOnlyMemory<char> id = audioPaths[i].AsMemory(range);
                seen[id] = seen.GetValueOrDefault(id) + 1;
            }
            open = [.. open.Where(i => seen[audioPaths[i].AsMemory(ranges[i])] > 1)];
            if (longer)
                continue;
            foreach (int i in open)
                ranges[i] = ranges[i].Start..;
            break;
        }
        return ranges;
    }

    /// <summary>The last parts of a path, without the file's ending.</summary>
    private static Range Tail(string path, int parts)
    {
        int nameStart = path.LastIndexOf('/') + 1, start = nameStart;
        for (int part = 1; part < parts && start > 1; part++)
            start = path.LastIndexOf('/', start - 2) + 1;
        int dot = path.LastIndexOf('.');
        return start..(dot > nameStart ? dot : path.Length);
    }

    private sealed class Contents : IEqualityComparer<ReadOnlyMemory<char>>
    {
        public static readonly Contents Instance = new();

        public bool Equals(ReadOnlyMemory<char> x, ReadOnlyMemory<char> y) => x.Span.SequenceEqual(y.Span);

        public int GetHashCode(ReadOnlyMemory<char> text) => string.GetHashCode(text.Span);
    }
}
