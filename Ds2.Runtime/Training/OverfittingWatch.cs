using System.Globalization;

namespace Ds2.Runtime.Training;

/// <summary>Tells from a run's epochs whether its validation loss rises while its training loss falls: it begins to learn its training set by heart.</summary>
/// <remarks>Losses a label are compared, as those of an utterance depend on its length. What is said follows from the history alone, so that a run that goes on does not say it again.</remarks>
internal static class OverfittingWatch
{
    /// <summary>Evaluations in a row: one or two may be the noise of a high learning rate.</summary>
    private const int Evaluations = 3;

    /// <summary>So far above its lowest a validation loss has risen: from epoch to epoch it wavers by a few percent.</summary>
    private const double Rise = 1.05;

    /// <summary>A line after the last epoch; null where there is nothing to say, or it has been said and the validation loss has not been lower than ever since.</summary>
    /// <param name="history">The epochs that are done.</param>
    public static string? Note(IReadOnlyList<EpochReport> history)
    {
        EpochReport? lowest = null;
        string? note = null;
        bool said = false;
        int risen = 0;
        foreach (EpochReport epoch in history)
        {
            note = null;
            if (epoch is not { ValidationLossPerLabel: { } validation, LossPerLabel: { } training })
                continue;
            if (lowest is not { ValidationLossPerLabel: { } least, LossPerLabel: { } then } || validation < least)
            {
                (lowest, risen, said) = (epoch, 0, false);
                continue;
            }

            risen = validation > Rise * least && training < then ? risen + 1 : 0;
            if (risen < Evaluations || said)
                continue;
            said = true;
            note = string.Create(
                CultureInfo.InvariantCulture,
                $"the validation loss rises while the training loss falls: {validation:F3} nats a label after epoch {epoch.Epoch + 1}, {least:F3} at its lowest, after epoch {lowest.Epoch + 1}: the model learns its training set by heart; more data, a smaller model, or changed data (augment, timeMasks, rowMasks) help, and patience ends such a run");
        }

        return note;
    }
}
