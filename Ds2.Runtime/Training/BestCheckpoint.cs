using Ds2.Runtime.Files;

namespace Ds2.Runtime.Training;

/// <summary>The file of a run's best epoch, as a run that goes on finds it.</summary>
/// <param name="checkpoints">Where it is.</param>
/// <param name="history">The epochs that the run goes on from.</param>
internal sealed class BestCheckpoint(CheckpointPolicy checkpoints, IReadOnlyList<EpochReport> history)
{
    /// <summary>The epochs that it stands after; 0 where they are not those of this run; null where there is no such file, or a damaged one, which the next better epoch replaces.</summary>
    public int? Epochs() => EpochsOf(checkpoints.Best);

    /// <summary>A best epoch that this run's history does not have is of a line that it has left: it must not pass for this run's best, nor be lost.</summary>
    /// <param name="note">Told of it.</param>
    public void SetAbandonedAside(Action<string> note)
    {
        if (Epochs() != 0)
            return;
        note($"{checkpoints.Best} is of epochs that this run does not go on from: it is {CheckpointPolicy.SetAside(checkpoints.Best)} now");
    }

    /// <summary>Whether a checkpoint is of epochs that this run's history does not have; not where that cannot be told, as it is damaged.</summary>
    /// <param name="path">The file.</param>
    public bool IsOther(string path) => EpochsOf(path) == 0;

    /// <summary>Takes the checkpoint that was kept of the best epoch, where the folder's best is of another epoch of this run, or gone. A run that goes on in another folder has its best there, too.</summary>
    /// <param name="from">The checkpoint that it goes on from.</param>
    /// <param name="epochs">The epochs that the best of its history stands after; 0 for none.</param>
    public void TakeAlong(string from, int epochs)
    {
        CheckpointPolicy others = checkpoints with { Folder = Path.GetDirectoryName(Path.GetFullPath(from))! };
        string kept = others.AfterEpoch(epochs);
        if (epochs > 0 && Epochs() is var own && own != 0 && own != epochs && EpochsOf(kept) == epochs)
            Take(kept);
        else if (!File.Exists(checkpoints.Best) && EpochsOf(others.Best) is > 0)
            Take(others.Best);
    }

    private void Take(string path) => AtomicFile.Copy(path, checkpoints.Best);

    private int? EpochsOf(string path)
    {
        if (!File.Exists(path))
            return null;
        try
        {
            using Checkpoint best = Checkpoint.Open(path);
            List<EpochReport> own = best.State.History;
            return own.SequenceEqual(history.Take(own.Count)) ? own.Count : 0;
        }
        catch (InputException)
        {
            return null;
        }
    }
}
