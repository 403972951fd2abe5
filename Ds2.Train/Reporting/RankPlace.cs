namespace Ds2.Train.Reporting;

/// <summary>Where a rank runs.</summary>
/// <param name="Host">Its machine.</param>
/// <param name="Device">Its engine's name, with its number where there are several GPUs.</param>
internal sealed record RankPlace(string Host, string Device);
