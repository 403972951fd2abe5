using System.Diagnostics;
using System.Text.Json;

namespace Ds2.Bench.Step;

/// <summary>A training step's cost; times are medians, in seconds.</summary>
/// <param name="Parameters">Trained values.</param>
/// <param name="MedianSeconds">The whole step.</param>
/// <param name="ForwardSeconds">Features to logits.</param>
/// <param name="LossSeconds">Log-softmax, CTC and its gradient.</param>
/// <param name="BackwardSeconds">All other gradients.</param>
/// <param name="UpdateSeconds">Gradient norm and optimiser.</param>
/// <param name="AudioSecondsPerSecond">Seconds of speech a second.</param>
/// <param name="PeakRssBytes">The process's largest resident set.</param>
/// <param name="AllocatedBytesPerStep">Managed memory allocated by a step.</param>
internal sealed record StepResult(
    long Parameters, double MedianSeconds, double ForwardSeconds, double LossSeconds, double BackwardSeconds, double UpdateSeconds,
    double AudioSecondsPerSecond, long PeakRssBytes, long AllocatedBytesPerStep)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>The medians of several steps' phases.</summary>
    /// <param name="laps">Seconds of forward, loss, backward and update, a step each.</param>
    /// <param name="parameters">Trained values.</param>
    /// <param name="audioSeconds">Seconds of speech in a batch.</param>
    /// <param name="allocatedBytes">Managed memory allocated by a step.</param>
    public static StepResult From(IReadOnlyCollection<double[]> laps, long parameters, double audioSeconds, long allocatedBytes)
    {
        double seconds = laps.Select(lap => lap.Sum()).Median();
        return new StepResult(
            parameters, seconds, Phase(0), Phase(1), Phase(2), Phase(3), audioSeconds / seconds, Process.GetCurrentProcess().PeakWorkingSet64, allocatedBytes);

        double Phase(int index) => laps.Select(lap => lap[index]).Median();
    }

    /// <summary>One JSON object, for programs.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>The result for people.</summary>
    public string ToText(string engine) =>
        $"""
        {engine}, {Parameters:N0} parameters
        step      {MedianSeconds * 1000:F1} ms, {AudioSecondsPerSecond:F1} seconds of speech a second
        forward   {ForwardSeconds * 1000:F1} ms
        loss      {LossSeconds * 1000:F1} ms
        backward  {BackwardSeconds * 1000:F1} ms
        update    {UpdateSeconds * 1000:F1} ms
        memory    {PeakRssBytes / 1e9:F2} GB at most, {AllocatedBytesPerStep / 1e3:F1} kB of managed memory a step
        """;
}
