namespace Ds2.Runtime.Decoding;

/// <summary>How wide a beam search looks, and how much its language model and its words count.</summary>
/// <remarks>All scores are natural logarithms. The score of a text is ln P_ctc (at the Temperature) + Alpha ln P_lm + Beta words + UnknownPenalty unknown words - Alpha ln(labels) letters of unknown words beyond the third + boosts of its hot words.</remarks>
public sealed record BeamOptions
{
    /// <summary>The lowest and the highest temperature: far within, one label is all there is, or all are alike.</summary>
    internal const double LeastTemperature = 0.01, MostTemperature = 100;

    /// <summary>Prefixes that go on from frame to frame.</summary>
    public int Width { get; init; } = 100;

    /// <summary>A prefix whose score lies further than this below the best one's is given up; infinity for none.</summary>
    public double Margin { get; init; } = 16;

    /// <summary>A label less probable than this in a frame extends no prefix there; the most probable label always does. 0 for none.</summary>
    public double MinLabelProbability { get; init; } = 1e-5;

    /// <summary>The weight of the language model's ln P. Of no meaning without one.</summary>
    public double Alpha { get; init; } = 0.55;

    /// <summary>Added for each word: a model that multiplies probabilities favours texts of few words. Of no meaning without a language model.</summary>
    public double Beta { get; init; }

    /// <summary>Added for each word that the language model does not know, hot words apart; at most 0. Of no meaning without one.</summary>
    public double UnknownPenalty { get; init; } = -2;

    /// <summary>What the model's logits are divided by where there is a language model: of more than 1, what was heard counts less beside it, and less for certain; the blank's logit is lowered by what is above 1 before. Null for what the
    /// model's own doubt in each utterance asks for, 1 to 2.3 (docs/language-models.md), and 1 for a <see cref="BeamSearch"/> that is fed a frame at a time. Of no meaning without a language model.</summary>
    public double? Temperature { get; init; }

    /// <summary>Refuses what makes no sense.</summary>
    /// <exception cref="ArgumentException">A number is out of its range.</exception>
    internal void Validate()
    {
        if (Width < 1)
            throw new ArgumentException($"a beam of {Width} prefixes");
        if (!(Margin > 0))
            throw new ArgumentException($"a margin of {Margin}: it must be above 0");
        if (!(MinLabelProbability is >= 0 and <= 1))
            throw new ArgumentException($"a smallest label probability of {MinLabelProbability}: it must be in 0 .. 1");
        if (!(Alpha is >= 0 and <= 100))
            throw new ArgumentException($"an alpha of {Alpha}: it must be in 0 .. 100");
        if (!(Beta is >= -100 and <= 100))
            throw new ArgumentException($"a beta of {Beta}: it must be in -100 .. 100");
        if (Temperature is { } temperature && !(temperature is >= LeastTemperature and <= MostTemperature))
            throw new ArgumentException($"a temperature of {temperature}: it must be in {LeastTemperature} .. {MostTemperature}");
        if (!(UnknownPenalty is >= -100 and <= 0))
            throw new ArgumentException($"a penalty of {UnknownPenalty} for unknown words: it must be in -100 .. 0");
    }
}
