using Ds2.Runtime;

namespace Ds2.Tests.Decoding.LanguageModels;

/// <summary>Keeps what long work tells.</summary>
internal sealed class HeardProgress : IWorkProgress
{
    public List<string> Notes { get; } = [];

    public List<Item> Items { get; } = [];

    public IWorkItem Begin(string what, long? total, WorkUnit unit)
    {
        Items.Add(new Item(what, total));
        return Items[^1];
    }

    public void Note(string line) => Notes.Add(line);

    /// <summary>Whoever sees a bar expects it to end where it says: pieces of work whose end is known, as name, done and total.</summary>
    public IEnumerable<(string What, long Done, long Total)> Ends => Items.Where(item => item.Total is not null).Select(item => (item.What, item.Done, item.Total!.Value));

    internal sealed class Item(string what, long? total) : IWorkItem
    {
        public string What => what;

        public long? Total => total;

        public long Done { get; private set; }

        public void Advance(long amount, bool worked = true) => Done += amount;

        public void Dispose()
        {
        }
    }
}
