using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Evaluation;

/// <summary>An alpha and a beta with the error rates that they have.</summary>
/// <param name="Options">The options of the search, alpha and beta among them.</param>
/// <param name="Rates">Its error rates.</param>
public sealed record FusionTrial(BeamOptions Options, ErrorRates Rates);

/// <summary>Finds the alpha and the beta with which a beam search makes the fewest errors.</summary>
/// <remarks>
/// A coarse grid, then the neighbours of the best point, again and again, with half the step each time that none is better. Of equal word errors the fewer character errors decide, then the smaller
/// alpha and the smaller beta. Utterances are spread over threads; what is found does not depend on their number.
/// </remarks>
/// <param name="alphabet">The labels.</param>
/// <param name="model">The language model.</param>
/// <param name="hotWords">Words to favour; null for none.</param>
/// <param name="utterances">Logits, each [T, C], and what was said.</param>
public sealed class FusionTuner(Alphabet alphabet, LanguageModel model, HotWords? hotWords, IReadOnlyList<(float[] Logits, string Reference)> utterances)
{
    private const int Halvings = 2;
    private const double AlphaStep = 0.25, BetaStep = 1, LargestAlpha = 5, LargestBeta = 20;
    private static readonly double[] Alphas = [0, 0.25, 0.5, 1, 1.5, 2.5], Betas = [-1, 0, 1, 2.5, 4];

    private readonly Dictionary<(double Alpha, double Beta), FusionTrial> trials = [];

    /// <summary>Threads that search, an utterance each.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>All that was tried.</summary>
    public IReadOnlyCollection<FusionTrial> Trials => trials.Values;

    /// <summary>The rates of a beam search.</summary>
    /// <param name="options">The options.</param>
    /// <param name="withModel">Whether the language model is asked.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public ErrorRates RatesOf(BeamOptions options, bool withModel, CancellationToken cancellation = default)
    {
        var texts = new string[utterances.Count];
        var parallel = new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Threads };
        Parallel.For(0, texts.Length, parallel, () => new BeamDecoder(alphabet, options, withModel ? model : null, hotWords), (i, _, decoder) =>
        {
            float[] logits = utterances[i].Logits;
            texts[i] = decoder.Best(logits, logits.Length / alphabet.Size, 1)[0].Text;
            return decoder;
        }, _ => { });
        var rates = new ErrorRates(alphabet);
        for (int i = 0; i < texts.Length; i++)
            rates.Add(utterances[i].Reference, texts[i]);
        return rates;
    }

    /// <summary>Searches.</summary>
    /// <param name="basis">All that is not tuned.</param>
    /// <param name="tried">Told of each trial.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>The best trial.</returns>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public FusionTrial Run(BeamOptions basis, Action<FusionTrial>? tried = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(basis);
        FusionTrial? best = null;
        foreach (double alpha in Alphas)
        {
            foreach (double beta in Betas)
                best = Better(best, Try(alpha, beta));
        }

        (double alphaStep, double betaStep) = (AlphaStep, BetaStep);
        for (int halvings = 0; halvings <= Halvings;)
        {
            (double alpha, double beta) = (best!.Options.Alpha, best.Options.Beta);
            FusionTrial before = best;
            foreach ((double a, double b) in new[] { (alpha - alphaStep, beta), (alpha + alphaStep, beta), (alpha, beta - betaStep), (alpha, beta + betaStep), (alpha + alphaStep, beta + betaStep), (alpha - alphaStep, beta - betaStep) })
            {
                if (a is >= 0 and <= LargestAlpha && Math.Abs(b) <= LargestBeta)
                    best = Better(best, Try(a, b));
            }

            if (best == before)
            {
                (alphaStep, betaStep) = (alphaStep / 2, betaStep / 2);
                halvings++;
            }
        }

        return best!;

        FusionTrial Try(double alpha, double beta)
        {
            if (!trials.TryGetValue((alpha, beta), out FusionTrial? trial))
            {
                BeamOptions options = basis with { Alpha = alpha, Beta = beta };
                trial = new FusionTrial(options, RatesOf(options, withModel: true, cancellation));
                trials.Add((alpha, beta), trial);
                tried?.Invoke(trial);
            }

            return trial;
        }
    }

    private static FusionTrial Better(FusionTrial? one, FusionTrial other) =>
        one is null || Order(other).CompareTo(Order(one)) < 0 ? other : one;

    private static (double, double, double, double) Order(FusionTrial trial) => (trial.Rates.Wer, trial.Rates.Cer, trial.Options.Alpha, trial.Options.Beta);
}
