namespace Ds2.Runtime.Features;

/// <summary>Mean and standard deviation of each row of features, over many utterances.</summary>
public sealed class RowStatistics
{
    private readonly float[] means, deviations, scales;

    /// <summary>Takes figures that were found before.</summary>
    /// <param name="means">A row each.</param>
    /// <param name="deviations">A row each; 0 for a row that was the same everywhere.</param>
    /// <exception cref="ArgumentException">There are not as many of one as of the other, a value is not finite, or a deviation is negative.</exception>
    public RowStatistics(IEnumerable<float> means, IEnumerable<float> deviations)
    {
        (this.means, this.deviations) = ([.. means], [.. deviations]);
        if (this.means.Length != this.deviations.Length)
            throw new ArgumentException($"{this.means.Length} means and {this.deviations.Length} deviations", nameof(deviations));
        if (!this.means.All(float.IsFinite) || !this.deviations.All(value => float.IsFinite(value) && value >= 0))
            throw new ArgumentException("means must be finite, deviations finite and not negative", nameof(deviations));
        // Equal values may differ from their computed mean by its rounding: that is no signal to blow up.
        scales = [.. this.means.Zip(this.deviations, (mean, deviation) => deviation > 1e-6 * Math.Max(1e-30, Math.Abs(mean)) ? 1 / deviation : 0)];
    }

    /// <summary>The mean of each row.</summary>
    public IReadOnlyList<float> Means => means;

    /// <summary>The standard deviation of each row.</summary>
    public IReadOnlyList<float> Deviations => deviations;

    /// <summary>The number of rows.</summary>
    public int Rows => means.Length;

    /// <summary>Scales features by these figures, in place: each value by itself, so that the frames of an utterance may come in pieces.</summary>
    /// <param name="features">Of <see cref="Rows"/> rows.</param>
    /// <exception cref="ArgumentException">They have another number of rows.</exception>
    public void Apply(FeatureMatrix features)
    {
        ArgumentNullException.ThrowIfNull(features);
        if (features.Rows != Rows)
            throw new ArgumentException($"features of {features.Rows} rows, figures of {Rows}", nameof(features));
        for (int row = 0; row < Rows; row++)
        {
            (float mean, float scale) = (means[row], scales[row]);
            foreach (ref float value in features.Row(row))
                value = (value - mean) * scale;
        }
    }
}

/// <summary>The sums behind <see cref="RowStatistics"/>, of an utterance or of many.</summary>
/// <remarks>Sums of different utterances are added in the caller's order, so that threads change no bit.</remarks>
/// <param name="rows">Rows of the features.</param>
public sealed class RowSums(int rows)
{
    private readonly double[] sums = new double[rows], squares = new double[rows];

    /// <summary>Frames that were added.</summary>
    public long Frames { get; private set; }

    /// <summary>Adds an utterance.</summary>
    /// <param name="features">Not normalized; they stay as they are.</param>
    public void Add(FeatureMatrix features)
    {
        ArgumentNullException.ThrowIfNull(features);
        for (int row = 0; row < rows; row++)
        {
            double sum = 0, square = 0;
            foreach (float value in features.Row(row))
            {
                sum += value;
                square += (double)value * value;
            }

            sums[row] += sum;
            squares[row] += square;
        }

        Frames += features.Frames;
    }

    /// <summary>Adds the sums of others.</summary>
    /// <param name="other">Stay as they are.</param>
    public void Add(RowSums other)
    {
        ArgumentNullException.ThrowIfNull(other);
        for (int row = 0; row < rows; row++)
        {
            sums[row] += other.sums[row];
            squares[row] += other.squares[row];
        }

        Frames += other.Frames;
    }

    /// <summary>Mean and standard deviation (the unbiased one, n - 1) of each row.</summary>
    /// <exception cref="InvalidOperationException">No frame was added.</exception>
    public RowStatistics ToStatistics()
    {
        if (Frames == 0)
            throw new InvalidOperationException("no frame was added");
        IEnumerable<float> deviations = sums.Zip(squares, (sum, square) => (float)Math.Sqrt(Math.Max(0, square - sum * sum / Frames) / Math.Max(1, Frames - 1)));
        return new RowStatistics(sums.Select(sum => (float)(sum / Frames)), deviations);
    }
}
