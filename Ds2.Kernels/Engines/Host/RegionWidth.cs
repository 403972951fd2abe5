namespace Ds2.Kernels.Engines.Host;

/// <summary>How many of a pool's threads work at a time: fewer while other processes hold their cores, all again when these are free.</summary>
/// <remarks>
/// Where threads wait for one another in every frame, a core that another process takes for a time slice of milliseconds stops them all, and two threads on shared
/// cores are slower than one. That shows in the frames' own times: most take what they always do, a few a hundred times that. The decision comes from these
/// times alone; what is computed, and in which order, must not depend on it.
/// </remarks>
/// <param name="all">The threads there are.</param>
internal sealed class RegionWidth(int all)
{
    // Time over which losses are summed: several time slices, and more than a garbage collection takes.
    private const double Window = 30e-3;

    // With more than this share of a window lost, half the threads are hardly slower: alone on their cores they take less than twice what all would.
    private const double MostLost = 0.4;

    // A frame has lost its core if it takes longer than usual by more than neighbouring frames vary, and by more than an interrupt or waking a thread takes.
    private const double Slow = 1.5;
    private const double Interrupt = 300e-6;

    // What is usual falls to a frame's time at once and rises slowly: utterances end, or begin where a direction runs backwards.
    private const double Growth = 1.02;

    // Frames' time at fewer threads before more are tried: doubled by each narrowing, halved by a trial that does well and by each good window of all threads. Trials that
    // fail take a hundredth of the time then.
    private const double ShortestPause = 50e-3;
    private const double LongestPause = 2;

    private int partsPerThread = 1;
    private bool isFixed, isTrial;
    private double spent, lost, sinceChange;
    private double usual = double.PositiveInfinity, last;
    private double pause = ShortestPause;

    /// <summary>The threads that are to work now: all, or as many as it takes if each does two, four, … parts of the work and not one.</summary>
    public int Threads => Division.Pieces(all, partsPerThread);

    /// <summary>Other work begins: its frames are not held against those before.</summary>
    public void Enter() => (usual, last) = (double.PositiveInfinity, 0);

    /// <summary>Takes the time of a frame that <see cref="Threads"/> threads have done, and may change their number for the next.</summary>
    /// <param name="seconds">From the end of the frame before, or from the start of the work.</param>
    public void Add(double seconds)
    {
        if (isFixed)
            return;

        // A frame is judged when the next is known: the first would be usual else, whatever it took.
        usual = Math.Min(usual * Growth, seconds);
        if (last > Slow * usual + Interrupt)
            lost += last - usual;
        last = seconds;
        spent += seconds;
        sinceChange += seconds;
        if (spent >= Window)
            EndWindow();
        else if (partsPerThread > 1 && sinceChange >= pause)
        {
            Change(partsPerThread / 2);
            isTrial = true;
        }
    }

    /// <summary>Sets the threads, whatever the times say from now on: for tests.</summary>
    /// <param name="parts">The parts that each thread does, a power of two; null to go by the times again, from all threads on.</param>
    internal void Fix(int? parts)
    {
        isFixed = parts is not null;
        Change(parts ?? 1);
    }

    private void EndWindow()
    {
        if (Threads > 1 && lost > MostLost * spent)
        {
            Change(2 * partsPerThread);
            pause = Math.Min(2 * pause, LongestPause);
            return;
        }

        if (isTrial || partsPerThread == 1)
            pause = Math.Max(pause / 2, ShortestPause);
        isTrial = false;
        (spent, lost) = (0, 0);
    }

    private void Change(int parts)
    {
        partsPerThread = parts;
        isTrial = false;
        (spent, lost, sinceChange) = (0, 0, 0);
        Enter();
    }
}
