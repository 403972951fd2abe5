namespace Ds2.Runtime;

/// <summary>What the amounts of a piece of work are.</summary>
public enum WorkUnit
{
    /// <summary>Bytes.</summary>
    Bytes,

    /// <summary>Things that are counted.</summary>
    Items,
}

/// <summary>Hears how long work goes on. Its members are called from several threads.</summary>
public interface IWorkProgress
{
    /// <summary>A piece of work begins; disposing what is returned ends it.</summary>
    /// <param name="what">A few words.</param>
    /// <param name="total">How much there is to do; null where that is not known.</param>
    /// <param name="unit">The unit of the amounts.</param>
    IWorkItem Begin(string what, long? total, WorkUnit unit);

    /// <summary>Something worth a line happened.</summary>
    /// <param name="line">One line.</param>
    void Note(string line);
}

/// <summary>A piece of work that goes on.</summary>
public interface IWorkItem : IDisposable
{
    /// <summary>So much more is done.</summary>
    /// <param name="amount">In the item's unit; negative where work was lost.</param>
    /// <param name="worked">False for what an earlier run did: it does not count in the rate.</param>
    void Advance(long amount, bool worked = true);
}

/// <summary>Tells nobody.</summary>
public sealed class NoProgress : IWorkProgress, IWorkItem
{
    /// <summary>The one instance.</summary>
    public static NoProgress Instance { get; } = new();

    /// <inheritdoc/>
    public IWorkItem Begin(string what, long? total, WorkUnit unit) => this;

    /// <inheritdoc/>
    public void Note(string line)
    {
    }

    /// <inheritdoc/>
    public void Advance(long amount, bool worked = true)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
