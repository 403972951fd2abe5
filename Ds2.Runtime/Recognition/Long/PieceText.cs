using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>What was heard in a piece of a recording.</summary>
/// <param name="Start">Where the piece begins, in seconds from the start of the recording.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Overlaps">Whether it begins before the end of the piece before it.</param>
/// <param name="Text">The text.</param>
/// <param name="Words">Its words, with times in the recording.</param>
/// <param name="Alternatives">Other texts of it.</param>
public sealed record PieceText(double Start, double End, bool Overlaps, string Text, IReadOnlyList<TimedWord> Words, IReadOnlyList<Hypothesis> Alternatives);
