using ILGPU.Runtime;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>How long each launch ran, by the device's own clock: an event in the queue before it and one behind it.</summary>
/// <remarks>
/// Between two events lies the launch and what the device takes to get from one to the next, a few microseconds: a kernel that takes no longer itself shows mostly those.
/// Launches keep their events until they are taken.
/// </remarks>
internal sealed class KernelClock : IDisposable
{
    private readonly List<(KernelLaunch Launch, ProfilingMarker Before, ProfilingMarker Behind)> launches = [];

    /// <summary>Whether launches are timed; off at first.</summary>
    public bool IsOn { get; set; }

    /// <summary>Waits for the launches that were timed, and forgets them.</summary>
    /// <returns>What was launched, and how many seconds each took, in the order of launching.</returns>
    public IReadOnlyList<(KernelLaunch Launch, double Seconds)> Take()
    {
        (KernelLaunch, double)[] times = [.. launches.Select(launch => (launch.Launch, launch.Behind.MeasureFrom(launch.Before).TotalSeconds))];
        Dispose();
        return times;
    }

    /// <summary>Gives the events back.</summary>
    public void Dispose()
    {
        foreach ((_, ProfilingMarker before, ProfilingMarker behind) in launches)
        {
            before.Dispose();
            behind.Dispose();
        }

        launches.Clear();
    }

    /// <summary>Queues an event; called before a launch while the clock is on.</summary>
    internal static ProfilingMarker Mark(AcceleratorStream stream) => stream.AddProfilingMarker();

    /// <summary>Queues the event behind a launch.</summary>
    internal void Add(AcceleratorStream stream, ProfilingMarker before, KernelLaunch launch) => launches.Add((launch, before, stream.AddProfilingMarker()));
}
