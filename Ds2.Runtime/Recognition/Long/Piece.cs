namespace Ds2.Runtime.Recognition.Long;

/// <summary>A piece of a recording, in frames of 10 ms.</summary>
/// <param name="Start">Its first frame.</param>
/// <param name="End">The frame after its last.</param>
/// <param name="Overlaps">Whether it begins before the end of the piece before it, as no pause stood between the two.</param>
public readonly record struct Piece(long Start, long End, bool Overlaps);
