using System.Diagnostics.CodeAnalysis;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>Reads one stream's text off its logits and says where a passage of it is over.</summary>
/// <remarks>
/// A passage ends with a pause: so many frames in a row whose most likely label is the blank or the space, which end a word, too. One without a pause ends, once it is long enough, in a frame without
/// a letter before which its text has come to the end of a word; at twice that length wherever it is, so that memory has a bound.
/// </remarks>
public sealed class PassageReader
{
    private readonly Alphabet alphabet;
    private readonly IPassageDecoder decoder;
    private readonly FrameTimes times;
    private readonly int pause, longest, space;
    private readonly Queue<Passage> passages = new();
    private readonly List<WordFrames> words = [];
    private long frame, passageStart, firstLetter = -1, lastLetter;

    /// <summary>A reader of a stream that begins.</summary>
    /// <param name="alphabet">The labels.</param>
    /// <param name="decoder">Reads the text; this stream's alone.</param>
    /// <param name="options">When what was heard is final.</param>
    /// <param name="times">Where the frames are in the sound.</param>
    public PassageReader(Alphabet alphabet, IPassageDecoder decoder, StreamingOptions options, FrameTimes times)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(options);
        (this.alphabet, this.decoder, this.times) = (alphabet, decoder, times);
        space = alphabet.Space;
        pause = Math.Max(1, (int)Math.Round(options.Pause / times.Step));
        longest = Math.Max(1, (int)Math.Round(options.LongestPassage / times.Step));
    }

    /// <summary>The text since the last passage's end; all behind <see cref="Stable"/> may still change.</summary>
    public string Text => Words(decoder.Text);

    /// <summary>How many of <see cref="Text"/>'s characters stay as they are.</summary>
    public int Stable => Words(decoder.Text[..decoder.Stable]).Length;

    /// <summary>When the text since the last passage's end began, in seconds from the sound's start.</summary>
    public double Start => firstLetter < 0 ? Heard : times.Start(firstLetter);

    /// <summary>Seconds of sound that were heard to their end.</summary>
    public double Heard => frame == 0 ? 0 : times.End(frame - 1);

    /// <summary>Takes the next frames.</summary>
    /// <param name="logits">[frames, C], C being the alphabet's size.</param>
    /// <exception cref="ArgumentException">The logits are not whole frames.</exception>
    public void Advance(ReadOnlySpan<float> logits)
    {
        int classes = alphabet.Size;
        if (logits.Length % classes != 0)
            throw new ArgumentException($"{logits.Length} logits are no frames of {classes}", nameof(logits));
        for (; !logits.IsEmpty; logits = logits[classes..])
            AdvanceFrame(logits[..classes]);
    }

    /// <summary>Ends the passage: there is no more sound.</summary>
    public void Finish() => EndPassage();

    /// <summary>The next passage that is over.</summary>
    public bool TryTake([NotNullWhen(true)] out Passage? passage) => passages.TryDequeue(out passage);

    private void AdvanceFrame(ReadOnlySpan<float> logits)
    {
        int label = GreedyDecoder.BestLabel(logits);
        bool isLetter = label != alphabet.Blank && label != space;
        if (isLetter)
        {
            firstLetter = firstLetter < 0 ? frame : firstLetter;
            lastLetter = frame;
        }

        decoder.Advance(logits);
        frame++;
        long length = frame - passageStart;
        if (firstLetter < 0)
        {
            // Nothing was said yet: a search need not carry silence along. It may have heard a word that no frame's best label is of.
            if (length >= 2 * pause || (length >= pause && Text.Length == 0))
                EndPassage();
        }
        else if (frame - lastLetter > pause || length >= 2 * longest || (length >= longest && !isLetter && IsAtWordsEnd))
        {
            EndPassage();
        }
    }

    /// <summary>Whether no word is under way, given that no letter is.</summary>
    private bool IsAtWordsEnd => space < 0 || decoder.Text is "" or [.., ' '];

    private void EndPassage()
    {
        words.Clear();
        string text = Words(decoder.Finish(words));
        if (text.Length > 0)
        {
            TimedWord[] timed = [.. words.Select(word => new TimedWord(word.Text, times.Start(passageStart + word.First), times.End(passageStart + word.Last)))];
            passages.Enqueue(new Passage(text, timed[0].Start, timed[^1].End, timed));
        }

        passageStart = frame;
        firstLetter = -1;
    }

    /// <summary>A text with a space between each two words and nowhere else.</summary>
    private static string Words(string text) => string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}
