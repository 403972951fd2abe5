using System.Globalization;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Training;

/// <summary>Decides which utterances of a corpus a model can and shall be trained on.</summary>
/// <remarks>For training sets alone: a word error rate counts every utterance of its set.</remarks>
/// <param name="options">The run's options.</param>
/// <param name="model">The model, which says how many output frames an utterance gives.</param>
/// <param name="extractor">Makes its features, and says what is too short for any.</param>
public sealed class TrainingSelection(DataOptions options, DeepSpeech2 model, FeatureExtractor extractor)
{
    /// <summary>The corpus without the utterances that are longer than asked for, or have fewer output frames than CTC needs for their text.</summary>
    /// <exception cref="InputException">None is left.</exception>
    public Corpus Select(Corpus corpus)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        return corpus.Without(ReasonToLeaveOut);
    }

    /// <summary>Why an utterance is not trained on, in words; null if it is.</summary>
    public string? ReasonToLeaveOut(Utterance utterance)
    {
        if (options.MaxSeconds > 0 && utterance.Seconds > options.MaxSeconds)
            return string.Create(CultureInfo.InvariantCulture, $"{utterance.Seconds:0.##} s are more than maxSeconds={options.MaxSeconds}");
        if (utterance.LabelCount == 0)
            return "its text has nothing that the alphabet can write";
        int frames = model.OutputFrames(extractor.FramesOf(utterance.AudioPath, utterance.Seconds)), needed = FramesNeeded(utterance.Labels);
        return frames < needed ? $"its text needs {needed} output frames, the recording gives {frames}" : null;
    }

    /// <summary>A frame for each label, and a blank between two that are equal.</summary>
    private static int FramesNeeded(int[] labels)
    {
        int frames = labels.Length;
        for (int i = 1; i < labels.Length; i++)
        {
            if (labels[i] == labels[i - 1])
                frames++;
        }

        return frames;
    }
}
