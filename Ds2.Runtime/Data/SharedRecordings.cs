namespace Ds2.Runtime.Data;

/// <summary>Recordings that two sets have in common.</summary>
public static class SharedRecordings
{
    /// <summary>One line on the recordings that are both trained on and validated with, by their full paths; null where there are none, or where both sets are one and the same manifest, which is meant.</summary>
    /// <param name="trainingManifest">The training set's manifest.</param>
    /// <param name="training">Its recordings.</param>
    /// <param name="validationManifest">The validation set's manifest.</param>
    /// <param name="validation">Its recordings.</param>
    public static string? Note(string trainingManifest, IEnumerable<string> training, string validationManifest, IEnumerable<string> validation)
    {
        if (Path.GetFullPath(trainingManifest) == Path.GetFullPath(validationManifest))
            return null;
        HashSet<string> validated = [.. validation];
        string[] shared = [.. training.Where(validated.Contains)];
        return shared.Length == 0 ? null
            : $"{shared.Length} of the {validated.Count} recordings of {validationManifest} are trained on too, {shared[0]} for one: the error rate on them says little about others";
    }
}
