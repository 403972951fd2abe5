namespace Ds2.Runtime.Decoding;

/// <summary>A text that may have been said, and how its score came about.</summary>
/// <param name="Text">The text as the alphabet writes it.</param>
/// <param name="LogProbability">ln of its CTC probability: the sum over the alignments that the search kept, at its temperature.</param>
/// <param name="LanguageModel">ln of its probability by the language model, the end of the text included once it is over; 0 without one.</param>
/// <param name="Words">Its words: what stands between spaces; labels where the alphabet has no space.</param>
/// <param name="UnknownWords">Those that the language model does not know, hot words apart.</param>
/// <param name="HotWords">What the boosts of the hot words in it add: all of them, but for alignments with a border that was not heard.</param>
/// <param name="Score">LogProbability + Alpha LanguageModel + Beta Words + UnknownPenalty UnknownWords + HotWords, less what the letters of unknown words cost, which hypotheses are ranked by; without a language model
/// LogProbability + HotWords.</param>
public sealed record Hypothesis(string Text, double LogProbability, double LanguageModel, int Words, int UnknownWords, double HotWords, double Score);
