using System.Collections;
using System.Text;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Data;

/// <summary>An utterance without what is of variable length.</summary>
/// <param name="Block">The block of bytes that has its names and its text.</param>
/// <param name="Start">Where they begin there: the recording's file name, the transcript's, the text.</param>
/// <param name="Text">Bytes of the text.</param>
/// <param name="AudioFolder">The recording's folder.</param>
/// <param name="TextFolder">The transcript's folder.</param>
/// <param name="AudioName">Bytes of the recording's file name.</param>
/// <param name="TextName">Bytes of the transcript's file name.</param>
/// <param name="Id">Characters of the id, which is a part of the recording's path.</param>
/// <param name="Ending">Characters of the recording's path behind the id.</param>
/// <param name="Labels">Labels of the text.</param>
/// <param name="Recording">What the recording's header says.</param>
internal readonly record struct UtteranceRow(
    int Block, int Start, int Text, int AudioFolder, int TextFolder, ushort AudioName, ushort TextName, ushort Id, ushort Ending, int Labels, RecordingInfo Recording);

/// <summary>Many utterances in a few arrays.</summary>
/// <remarks>
/// A string for each path and text, and an array for the labels, were 1.3 kB and six objects an utterance: for LibriSpeech 1.7 million objects, through which every full
/// collection of the heap goes. Paths share their folders, names and texts stand as UTF-8 in blocks of many utterances, and labels follow from the text.
/// </remarks>
/// <param name="rows">The utterances, in the table's order.</param>
/// <param name="blocks">Names and texts.</param>
/// <param name="folders">Folders, with the separator at their end.</param>
/// <param name="normalization">Makes labels of texts.</param>
internal sealed class UtteranceTable(UtteranceRow[] rows, byte[][] blocks, string[] folders, TextNormalization normalization) : IReadOnlyList<Utterance>
{
    public int Count => rows.Length;

    public Utterance this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, rows.Length);
            return new Utterance(this, index);
        }
    }

    public ref readonly UtteranceRow Row(int index) => ref rows[index];

    public string AudioPath(int index) => Path(rows[index].AudioFolder, Bytes(index, 0, rows[index].AudioName));

    public string TextPath(int index) => Path(rows[index].TextFolder, Bytes(index, rows[index].AudioName, rows[index].TextName));

    public string Text(int index) => Encoding.UTF8.GetString(Bytes(index, rows[index].AudioName + rows[index].TextName, rows[index].Text));

    public int[] Labels(int index) => normalization.Encode(Text(index));

    public string Id(int index)
    {
        UtteranceRow row = rows[index];
        string path = AudioPath(index);
        return path[(path.Length - row.Ending - row.Id)..(path.Length - row.Ending)];
    }

    /// <summary>Some of the utterances, sharing all but their rows.</summary>
    public UtteranceTable Select(IEnumerable<int> indices) => new([.. indices.Select(index => rows[index])], blocks, folders, normalization);

    public IEnumerator<Utterance> GetEnumerator()
    {
        for (int i = 0; i < rows.Length; i++)
            yield return new Utterance(this, i);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private ReadOnlySpan<byte> Bytes(int index, int offset, int count) => blocks[rows[index].Block].AsSpan(rows[index].Start + offset, count);

    private string Path(int folder, ReadOnlySpan<byte> name) => string.Concat(folders[folder], Encoding.UTF8.GetString(name));
}
