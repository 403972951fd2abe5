namespace Ds2.Runtime.Data.LibriSpeech.Dataset;

/// <summary>An utterance whose WAV and text lie in the data set.</summary>
/// <param name="Item">Where it came from.</param>
/// <param name="Samples">Samples of its WAV.</param>
/// <param name="WavDigest">SHA-256 of the WAV, read back from the disk.</param>
/// <param name="TextDigest">SHA-256 of the text, likewise.</param>
/// <param name="Converted">Whether something was written; else both were there already.</param>
internal sealed record PreparedUtterance(LibriSpeechItem Item, long Samples, string WavDigest, string TextDigest, bool Converted)
{
    public string Wav => WavOf(Item);

    public string Text => TextOf(Item);

    public static string WavOf(LibriSpeechItem item) => $"{item.Set}/wav/{item.Id}.wav";

    public static string TextOf(LibriSpeechItem item) => $"{item.Set}/txt/{item.Id}.txt";
}
