namespace Ds2.Bench.Data;

/// <summary>How long LibriSpeech's training utterances are: train-clean-100, train-clean-360 and train-other-500, one after the other.</summary>
/// <remarks>
/// The quantiles are those that icefall (k2-fsa, egs/librispeech/ASR/local/display_manifest_statistics.py) prints of each part with every utterance at
/// 0.9, 1 and 1.1 of its speed as well. That widens them by less than a tenth; the shortest and the longest are taken back to speed 1. Straight lines between
/// them give the parts' hours (100.6, 363.6, 496.7) within 0.2 %.
/// </remarks>
internal static class LibriSpeechLengths
{
    /// <summary>Utterances of all three parts.</summary>
    public const int Utterances = Clean100 + Clean360 + Other500;

    /// <summary>Characters of the transcripts, spaces included, for each second: somewhat less than the 185 in 12.3 s that the real ones have in the mean.</summary>
    public const double CharactersOfSecond = 14.5;

    private const int Clean100 = 28_539, Clean360 = 104_014, Other500 = 148_688;

    private static readonly double[] Shares = [0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1];

    private static readonly double[][] Parts =
    [
        [1.4, 1.9, 2.2, 2.5, 4.2, 6.4, 11.4, 13.8, 15.3, 16.7, 17.3, 18.1, 18.4, 18.8, 24.5],
        [1.1, 1.8, 2.2, 2.5, 4.2, 6.2, 11.2, 13.7, 15.3, 16.6, 17.3, 18.1, 18.4, 18.8, 29.7],
        [0.9, 1.7, 2.1, 2.3, 3.5, 5.0, 9.8, 13.4, 15.1, 16.5, 17.2, 18.1, 18.4, 18.9, 27.9],
    ];

    /// <summary>Draws an utterance's length in seconds.</summary>
    /// <param name="place">Where in the corpus the utterance stands, 0 to 1: which part it belongs to.</param>
    /// <param name="share">The share of its part's utterances that are shorter, 0 to 1.</param>
    public static double Seconds(double place, double share)
    {
        double utterance = place * Utterances;
        int part = utterance < Clean100 ? 0 : utterance < Clean100 + Clean360 ? 1 : 2;
        double[] seconds = Parts[part];
        int above = Math.Clamp(Array.FindIndex(Shares, other => other > share), 1, Shares.Length - 1);
        double along = (share - Shares[above - 1]) / (Shares[above] - Shares[above - 1]);
        return seconds[above - 1] + along * (seconds[above] - seconds[above - 1]);
    }
}
