using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Data;

/// <summary>One recording and what is said in it.</summary>
/// <remarks>A place in its corpus, which keeps all utterances in a few arrays: strings and labels are made anew at each call. Two are equal where they are the same place of one corpus.</remarks>
public readonly record struct Utterance
{
    private readonly UtteranceTable table;
    private readonly int index;

    internal Utterance(UtteranceTable table, int index) => (this.table, this.index) = (table, index);

    /// <summary>The end of the audio file's path that no other of the corpus has, without its ending: mostly its name.</summary>
    public string Id => table.Id(index);

    /// <summary>The audio or coefficient file, in full.</summary>
    public string AudioPath => table.AudioPath(index);

    /// <summary>The transcript file, in full.</summary>
    public string TextPath => table.TextPath(index);

    /// <summary>The normalised transcript, with what the alphabet cannot write.</summary>
    public string Text => table.Text(index);

    /// <summary>The labels of what the alphabet can write of the transcript; the caller's own.</summary>
    public int[] Labels => table.Labels(index);

    /// <summary>How many labels there are.</summary>
    public int LabelCount => table.Row(index).Labels;

    /// <summary>What the recording's header says.</summary>
    public RecordingInfo Recording => table.Row(index).Recording;

    /// <summary>Length of the recording.</summary>
    public double Seconds => Recording.Seconds;

    /// <summary>Whether the file holds cepstral coefficients, not sound.</summary>
    public bool HoldsFeatures => Recording.HoldsFeatures;

    /// <summary>The id and the length, for messages.</summary>
    public override string ToString() => table is null ? "none" : $"{Id}, {Seconds:F2} s";
}
