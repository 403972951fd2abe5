namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Tells of many small steps in few words: to hear of each would take longer than the steps.</summary>
/// <param name="work">Hears of them.</param>
internal struct Tally(IWorkItem work)
{
    private const int Most = 1 << 16;
    private int untold;

    /// <summary>One more step.</summary>
    public void Add()
    {
        if (++untold == Most)
            Tell();
    }

    /// <summary>Tells of those that are not told yet: at the end, or the work would seem to stop short of it.</summary>
    public void Tell()
    {
        work.Advance(untold);
        untold = 0;
    }
}
