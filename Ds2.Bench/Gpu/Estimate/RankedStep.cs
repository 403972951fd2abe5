using Ds2.Bench.Data;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>The way from rank to rank.</summary>
/// <param name="BytesPerSecond">What a rank sends, and beside that receives.</param>
/// <param name="CopyBytesPerSecond">Between a GPU and its host, each way; null where the link reaches the GPU's own memory.</param>
/// <param name="LatencySeconds">Of a message.</param>
internal sealed record Link(double BytesPerSecond, double? CopyBytesPerSecond = null, double LatencySeconds = 0)
{
    /// <summary>What the slowest part of the way sustains.</summary>
    public double SlowestBytesPerSecond => Math.Min(BytesPerSecond, CopyBytesPerSecond ?? double.PositiveInfinity);
}

/// <summary>What a training step of several ranks should take, each with a P100 and a batch of its own. An estimate.</summary>
/// <remarks>
/// Of P bytes of gradients each of R ranks sends and receives P (R - 1) / R, and of the parameters as many; it adds up R branches of its share, a piece of P / R bytes, and updates that share.
/// One after the other that is: compute, gradients to the host, over the link, back to the device, update, parameters likewise (the device's copies come to 3 P: all gradients out, as many in, the share's parameters out,
/// the others' in). Overlapped, each layer's gradients leave as soon as its backward pass and the exchange of the layer above are done, and each layer's forward pass waits for its parameters, which come from the first layer to
/// the last; copies and link work beside each other, so that the slowest part of the way sets the rate. The update waits for all gradients, since it is clipped by their norm.
/// </remarks>
/// <param name="Ranks">How many.</param>
/// <param name="Utterances">Of a step, all ranks' together.</param>
/// <param name="ComputeSeconds">The passes and the loss.</param>
/// <param name="UpdateSeconds">Adding the ranks' gradients up and updating the parameters, a share of them.</param>
/// <param name="LinkSeconds">Gradients and parameters on the link.</param>
/// <param name="CopySeconds">Their copies between device and host, one after the other.</param>
/// <param name="StepSeconds">The step, one after the other.</param>
/// <param name="OverlappedStepSeconds">The step, exchange and passes overlapped.</param>
/// <param name="SingleStepSeconds">The step of one rank.</param>
internal sealed record RankedStep(
    int Ranks, long Utterances, double ComputeSeconds, double UpdateSeconds, double LinkSeconds, double CopySeconds, double StepSeconds, double OverlappedStepSeconds, double SingleStepSeconds)
{
    /// <summary>What a latency is counted for, of each share: messages are smaller, and several under way at once (docs/cluster.md).</summary>
    public const double PieceBytes = 4 << 20;

    private const int Epochs = 10;
    private const double SecondsOfDay = 24 * 60 * 60;

    /// <summary>Utterances a second over those of as many ranks that exchange nothing, one after the other.</summary>
    public double Efficiency => SingleStepSeconds / StepSeconds;

    /// <summary>The same, overlapped.</summary>
    public double OverlappedEfficiency => SingleStepSeconds / OverlappedStepSeconds;

    /// <summary>Days that ten epochs of LibriSpeech take, all utterances as long as the step's.</summary>
    public double Days => DaysOf(StepSeconds);

    /// <summary>The same, overlapped.</summary>
    public double OverlappedDays => DaysOf(OverlappedStepSeconds);

    /// <summary>The step of so many ranks.</summary>
    /// <param name="times">Of a rank alone.</param>
    /// <param name="batch">Utterances of each rank.</param>
    /// <param name="ranks">How many ranks.</param>
    /// <param name="link">The way between them.</param>
    public static RankedStep Of(StepTimes times, int batch, int ranks, Link link)
    {
        double others = (ranks - 1.0) / ranks;
        double update = times.UpdateSeconds / ranks + times.AdditionSeconds * others;
        double onLink = 2 * OnWay(times.Bytes, link.BytesPerSecond);
        double copies = ranks == 1 || link.CopyBytesPerSecond is not double rate ? 0 : 3 * times.Bytes / rate;
        return new RankedStep(
            ranks, (long)batch * ranks, times.ComputeSeconds, update, onLink, copies, times.ComputeSeconds + update + onLink + copies, Overlapped(), times.ComputeSeconds + times.UpdateSeconds);

        double OnWay(double bytes, double bytesPerSecond) =>
            bytes * others / bytesPerSecond + (ranks - 1) * Math.Ceiling(bytes / ranks / PieceBytes) * link.LatencySeconds;

        double Overlapped()
        {
            double computed = 0, arrived = 0;
            foreach (LayerTime layer in times.Layers)
            {
                arrived += OnWay(layer.Bytes, link.SlowestBytesPerSecond);
                computed = Math.Max(computed, arrived) + layer.ForwardSeconds;
            }

            computed += times.OtherSeconds;
            double sent = computed;
            foreach (LayerTime layer in times.Layers.Reverse())
            {
                computed += layer.BackwardSeconds;
                sent = Math.Max(sent, computed) + OnWay(layer.Bytes, link.SlowestBytesPerSecond);
            }

            return sent + update;
        }
    }

    private double DaysOf(double seconds) => Epochs * Math.Ceiling((double)LibriSpeechLengths.Utterances / Utterances) * seconds / SecondsOfDay;
}
