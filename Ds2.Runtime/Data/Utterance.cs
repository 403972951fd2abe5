using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Data;

/// <summary>One recording and what is said in it.</summary>
/// <param name="Id">The end of the audio file's path that no other of the corpus has, without its ending: mostly its name.</param>
/// <param name="AudioPath">The audio or coefficient file.</param>
/// <param name="TextPath">The transcript file.</param>
/// <param name="Text">The normalised transcript, with what the alphabet cannot write.</param>
/// <param name="Labels">The labels of what the alphabet can write of it; never empty.</param>
/// <param name="Seconds">Length of the recording.</param>
public sealed record Utterance(string Id, string AudioPath, string TextPath, string Text, int[] Labels, double Seconds)
{
    /// <summary>Whether the file holds cepstral coefficients, not sound.</summary>
    public bool HoldsFeatures => CoefficientFile.IsOne(AudioPath);
}
