using Ds2.Runtime.Features;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>A piece as the model hears it.</summary>
/// <param name="Piece">Where it is.</param>
/// <param name="Features">Normalized.</param>
/// <param name="Start">Where its features begin, in seconds from the start of the recording.</param>
internal sealed record HeardPiece(Piece Piece, FeatureMatrix Features, double Start);
