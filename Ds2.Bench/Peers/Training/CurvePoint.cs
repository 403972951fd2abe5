namespace Ds2.Bench.Peers.Training;

/// <summary>Where a side stands at an evaluation.</summary>
/// <param name="Seconds">Of training and evaluation, this one included.</param>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Batch">Batches of it that are done.</param>
/// <param name="Loss">The mean of the batches' losses since the evaluation before, nats.</param>
/// <param name="Wer">Word error rate, in percent.</param>
/// <param name="Cer">Character error rate, in percent.</param>
/// <param name="EndsEpoch">Whether it is the epoch's last.</param>
internal sealed record CurvePoint(double Seconds, int Epoch, int Batch, double Loss, double Wer, double Cer, bool EndsEpoch);
