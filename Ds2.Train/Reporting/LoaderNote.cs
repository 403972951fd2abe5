using System.Globalization;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting;

/// <summary>Says once in a run that the loader is what limits it.</summary>
/// <param name="loaders">The loader's threads.</param>
/// <param name="note">Told so, in a line.</param>
internal sealed class LoaderNote(int loaders, Action<string> note) : IRunReporter
{
    /// <summary>The first batches wait for what is read and compiled for the first time, and tell nothing.</summary>
    private const int FirstBatches = 5, Batches = 50;

    /// <summary>
    /// On the host, waiting for the loader is time that nothing is computed in: a fifth is worth a word. A GPU computes meanwhile; only where next to nothing of a
    /// step is left to wait for it, it was idle.
    /// </summary>
    private const double HostShare = 0.2, DeviceShare = 0.8;

    private double share = HostShare;
    private int batches;
    private double seconds, waited;

    public void Start(RunSetup run) => share = run.Model.Engine is IlgpuEngine ? DeviceShare : HostShare;

    public void OnBatch(BatchReport report)
    {
        batches++;
        if (batches is <= FirstBatches or > FirstBatches + Batches)
            return;
        seconds += report.Seconds;
        waited += report.LoadSeconds;
        if (batches == FirstBatches + Batches && waited > share * seconds)
        {
            note(string.Create(
                CultureInfo.InvariantCulture,
                $"the loader limits: {100 * waited / seconds:F0} % of {Batches} batches' time went by waiting for it; try more --loaders than {loaders}, or --feature-cache, which keeps features for later runs"));
        }
    }

    public void Dispose()
    {
    }
}
