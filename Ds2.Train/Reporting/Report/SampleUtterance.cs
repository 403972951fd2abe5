using Ds2.Runtime.Data;
using Ds2.Runtime.Features;

namespace Ds2.Train.Reporting.Report;

/// <summary>A validation utterance that the report shows after every evaluation.</summary>
/// <param name="Id">Its name in the transcripts.</param>
/// <param name="Seconds">Its length.</param>
/// <param name="Picture">What the model hears: a PNG file, low frequencies at the bottom, 10 ms a column.</param>
internal sealed record SampleUtterance(string Id, double Seconds, byte[] Picture)
{
    private const int Count = 4;
    private const double MaxSeconds = 20;

    // Dark blue to yellow, even in lightness (matplotlib's viridis, CC0), at equal distances.
    private static readonly (int R, int G, int B)[] Colours =
        [(68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37)];

    /// <summary>A few utterances from short to long, of those that have a frame.</summary>
    /// <param name="corpus">The validation set.</param>
    /// <param name="kind">The model's features; raw coefficients are shown as the spectrogram that they describe.</param>
    public static IReadOnlyList<SampleUtterance> Choose(Corpus corpus, FeatureKind kind)
    {
        var extractor = new FeatureExtractor(kind == FeatureKind.MfccRaw ? FeatureKind.Mfcc : kind);
        Utterance[] visible = [.. corpus.Utterances.Where(utterance => !extractor.IsTooShort(utterance.AudioPath, utterance.Seconds))];
        if (visible.Length == 0)
            return [];
        int eligible = Math.Max(visible.Count(utterance => utterance.Seconds <= MaxSeconds), 1);
        return
        [
            .. Enumerable.Range(0, Count).Select(i => (2 * i + 1) * eligible / (2 * Count)).Distinct().Select(index =>
                new SampleUtterance(visible[index].Id, visible[index].Seconds, Draw(extractor.FromFile(visible[index].AudioPath)))),
        ];
    }

    private static byte[] Draw(FeatureMatrix features)
    {
        // The quietest and the loudest hundredth share a colour each: a click or digital silence must not take the contrast from all else.
        float[] sorted = [.. features.Values.Order()];
        float low = sorted[sorted.Length / 100], high = sorted[^(1 + sorted.Length / 100)];
        float scale = high > low ? 255 / (high - low) : 0;
        var pixels = new byte[features.Values.Length];
        for (int row = 0; row < features.Rows; row++)
        {
            Span<byte> line = pixels.AsSpan((features.Rows - 1 - row) * features.Frames, features.Frames);
            Span<float> values = features.Row(row);
            for (int t = 0; t < line.Length; t++)
                line[t] = (byte)Math.Clamp((values[t] - low) * scale, 0, 255);
        }

        return PngImage.Encode(pixels, features.Frames, features.Rows, Palette());
    }

    private static byte[] Palette()
    {
        var palette = new byte[256 * 3];
        for (int i = 0; i < 256; i++)
        {
            double position = i / 255.0 * (Colours.Length - 1);
            int below = Math.Min((int)position, Colours.Length - 2);
            double weight = position - below;
            ((int R, int G, int B) a, (int R, int G, int B) b) = (Colours[below], Colours[below + 1]);
            palette[3 * i] = Mix(a.R, b.R);
            palette[3 * i + 1] = Mix(a.G, b.G);
            palette[3 * i + 2] = Mix(a.B, b.B);

            byte Mix(int from, int to) => (byte)Math.Round(from + weight * (to - from));
        }

        return palette;
    }
}
