using System.Diagnostics;
using System.Globalization;
using Ds2.Runtime;

namespace Ds2.Train.Reporting;

/// <summary>Progress for a log: a line for each piece of work, every so often, and one when it ends. On a terminal the line can stay one, written anew in its place.</summary>
/// <param name="output">Where the lines go.</param>
/// <param name="interval">The time between lines.</param>
/// <param name="inPlace">Whether each line takes the place of the last, and none is left at the end; for one piece of work at a time.</param>
/// <param name="brief">Whether work that is over before its first line is due has none.</param>
internal sealed class WorkLines(TextWriter output, TimeSpan interval, bool inPlace = false, bool brief = false) : IWorkProgress, IDisposable
{
    private const string Erase = "\r\u001b[K";

    /// <summary>The first line comes soon, so that nobody wonders whether anything happens.</summary>
    private static readonly TimeSpan First = TimeSpan.FromSeconds(0.5);

    private readonly TextWriter output = output;
    private readonly Lock gate = new();
    private readonly List<Item> items = [];
    private Timer? timer;

    public IWorkItem Begin(string what, long? total, WorkUnit unit)
    {
        lock (gate)
        {
            var item = new Item(this, what, total, unit);
            items.Add(item);
            timer ??= new Timer(_ => WriteAll(), null, First, interval);
            return item;
        }
    }

    public void Note(string line)
    {
        lock (gate)
            output.WriteLine(inPlace ? Erase + line : line);
    }

    public void Dispose() => timer?.Dispose();

    private void WriteAll()
    {
        lock (gate)
        {
            foreach (Item item in items)
                Write(item);
        }
    }

    private void Write(Item item)
    {
        item.IsSaid = true;
        if (inPlace)
            output.Write(Erase + item.Line());
        else
            output.WriteLine(item.Line());
    }

    private void End(Item item)
    {
        if (inPlace)
            output.Write(Erase);
        else if (item.IsSaid || !brief)
            output.WriteLine(item.Line());
    }

    private sealed class Item(WorkLines owner, string what, long? total, WorkUnit unit) : IWorkItem
    {
        private readonly long start = Stopwatch.GetTimestamp();
        private long done, before;

        /// <summary>Whether it has had a line.</summary>
        public bool IsSaid { get; set; }

        public void Advance(long amount, bool worked = true)
        {
            Interlocked.Add(ref done, amount);
            if (!worked)
                Interlocked.Add(ref before, amount);
        }

        public void Dispose()
        {
            lock (owner.gate)
            {
                if (owner.items.Remove(this))
                    owner.End(this);
            }
        }

        /// <summary>"train-clean-100.tar.gz: 1.20 GB of 6.39 GB, 19 %, 34.0 MB/s, 2:33 left".</summary>
        public string Line()
        {
            double rate = (done - before) / Math.Max(Stopwatch.GetElapsedTime(start).TotalSeconds, 1e-3);
            string text = $"{what}: {WorkReport.Amount(done, unit)}";
            if (total is { } all)
                text += string.Create(CultureInfo.InvariantCulture, $" of {WorkReport.Amount(all, unit)}, {(all > 0 ? 100.0 * done / all : 100):F0} %");
            text += $", {WorkReport.Amount(rate, unit)}/s";
            return total is { } end && rate > 0 && done < end ? $"{text}, {Durations.Text((end - done) / rate)} left" : text;
        }
    }
}
