using System.Globalization;
using System.Text;
using System.Text.Json;
using Ds2.Runtime.Files;

namespace Ds2.Bench.Peers.Training;

/// <summary>A side's seconds and curve.</summary>
/// <param name="SecondsToWer">Training and evaluation up to the first evaluation that reached the word error rate asked for; null where none did.</param>
/// <param name="TrainingSeconds">All training.</param>
/// <param name="EvaluationSeconds">All evaluations.</param>
/// <param name="Curve">The evaluations.</param>
internal sealed record SideResult(double? SecondsToWer, double TrainingSeconds, double EvaluationSeconds, IReadOnlyList<CurvePoint> Curve)
{
    /// <summary>A side as it stands.</summary>
    public static SideResult Of(Contestant side, double wer) => new(side.SecondsTo(wer), side.TrainingSeconds, side.EvaluationSeconds, side.Curve);
}

/// <summary>What came out.</summary>
/// <param name="Engine">Our engine.</param>
/// <param name="LibtorchVersion">libtorch's version.</param>
/// <param name="Threads">Threads of each.</param>
/// <param name="Wer">The word error rate, in percent, whose time was asked for.</param>
/// <param name="FirstBatch">How far the two were apart on one batch.</param>
/// <param name="PreparationSeconds">Reading, features and their augmentation, once for both and in neither's time.</param>
/// <param name="Ds2">Ours.</param>
/// <param name="Libtorch">libtorch's.</param>
internal sealed record ContestResult(
    string Engine, string LibtorchVersion, int Threads, double Wer, FirstBatch FirstBatch, double PreparationSeconds, SideResult Ds2, SideResult Libtorch)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Our seconds to the word error rate over libtorch's; null where a side has not reached it.</summary>
    public double? Ratio => Ds2.SecondsToWer / Libtorch.SecondsToWer;

    /// <summary>Our seconds of training over libtorch's, for the same steps.</summary>
    public double TrainingRatio => Ds2.TrainingSeconds / Libtorch.TrainingSeconds;

    /// <summary>The largest difference of the word error rates after an epoch, in points; null before the first epoch's end.</summary>
    public double? LargestWerDifference => EpochEnds.Select(pair => (double?)Math.Abs(pair.First.Wer - pair.Second.Wer)).Max();

    private IEnumerable<(CurvePoint First, CurvePoint Second)> EpochEnds =>
        Ds2.Curve.Where(point => point.EndsEpoch).Zip(Libtorch.Curve.Where(point => point.EndsEpoch));

    /// <summary>One JSON object, for programs.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>The result for people.</summary>
    public string ToText()
    {
        List<string[]> rows = [["epoch", "ds2 s", "libtorch s", "ds2 loss", "libtorch", "ds2 WER", "libtorch", "ds2 CER", "libtorch"]];
        foreach ((CurvePoint our, CurvePoint their) in EpochEnds)
        {
            rows.Add([
                $"{our.Epoch}", $"{our.Seconds:F1}", $"{their.Seconds:F1}", $"{our.Loss:F2}", $"{their.Loss:F2}", $"{our.Wer:F1}", $"{their.Wer:F1}", $"{our.Cer:F1}",
                $"{their.Cer:F1}",
            ]);
        }

        return string.Join(Environment.NewLine, [
            .. rows.Count > 1 ? [MarkdownTable.Of(rows), $"WER after an epoch: at most {LargestWerDifference:F1} points apart"] : (string[])[],
            $"WER {Wer}: {Reached(Ds2)} and {Reached(Libtorch)} of training and evaluation{(Ratio is { } ratio ? $", ratio {ratio:F2}" : "")}",
            $"training {Ds2.TrainingSeconds:F1} and {Libtorch.TrainingSeconds:F1} s, ratio {TrainingRatio:F2}; evaluation {Ds2.EvaluationSeconds:F1} and {Libtorch.EvaluationSeconds:F1} s; "
            + $"features {PreparationSeconds:F1} s, once for both and in neither's time",
        ]);

        static string Reached(SideResult side) => side.SecondsToWer is { } seconds ? $"{seconds:F1} s" : "not reached";
    }

    /// <summary>Both curves as tab-separated lines with a head; the file is replaced as a whole.</summary>
    public static void WriteCurves(string path, params Contestant[] sides)
    {
        var text = new StringBuilder("side\tseconds\tepoch\tbatch\ttraining_loss\twer\tcer\n");
        foreach (Contestant side in sides)
        {
            foreach (CurvePoint point in side.Curve)
            {
                text.Append(CultureInfo.InvariantCulture, $"{side.Name}\t{point.Seconds:F3}\t{point.Epoch}\t{point.Batch}\t{point.Loss:F4}\t{point.Wer:F2}\t{point.Cer:F2}\n");
            }
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        AtomicFile.Write(path, stream => stream.Write(bytes));
    }
}
