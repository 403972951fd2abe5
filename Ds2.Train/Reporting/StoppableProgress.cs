using Ds2.Runtime;

namespace Ds2.Train.Reporting;

/// <summary>Stops work that hears of no token, where it tells how far it is.</summary>
/// <param name="inner">Hears what this hears.</param>
/// <param name="token">When cancelled, the work ends in an <see cref="OperationCanceledException"/>.</param>
internal sealed class StoppableProgress(IWorkProgress inner, CancellationToken token) : IWorkProgress
{
    public IWorkItem Begin(string what, long? total, WorkUnit unit)
    {
        token.ThrowIfCancellationRequested();
        return new Item(inner.Begin(what, total, unit), token);
    }

    public void Note(string line) => inner.Note(line);

    private sealed class Item(IWorkItem inner, CancellationToken token) : IWorkItem
    {
        public void Advance(long amount, bool worked = true)
        {
            token.ThrowIfCancellationRequested();
            inner.Advance(amount, worked);
        }

        public void Dispose() => inner.Dispose();
    }
}
