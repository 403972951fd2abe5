using System.Diagnostics;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Recognition.Streaming;

namespace Ds2.Train.Live;

/// <summary>Writes live sound from a pipe down until it ends or the user stops it; what was heard by then is written to its end.</summary>
/// <param name="model">The model.</param>
/// <param name="options">What comes in and how it is shown.</param>
/// <param name="output">Where the text goes.</param>
/// <param name="messages">Where a slow machine is spoken of.</param>
internal sealed class LiveLoop(StreamingModel model, LiveOptions options, TextWriter output, TextWriter messages)
{
    // Pieces heard at once: where more is waiting it comes in the next turn.
    private const double MostSecondsATurn = 2;

    private const double TolerableDelay = 2;
    private static readonly TimeSpan BetweenWarnings = TimeSpan.FromSeconds(10);

    private readonly ILiveDisplay display = options.RewritesLine ? new LineDisplay(output, options.LineWidth) : new JsonDisplay(output);
    private readonly SoundPipe sound = new(options.Name, options.Rate);
    private StreamingRecognizer? stream;
    private (string Text, int Stable) shown = ("", 0);
    private long samples, started, warned;

    /// <summary>Runs until the end of the input or of the token.</summary>
    /// <param name="input">WAV, or raw PCM of 16 bits and one channel.</param>
    /// <param name="cancellation">Stops listening; no error.</param>
    /// <exception cref="Runtime.InputException">The input is neither, or of a rate that cannot be brought to 16 kHz.</exception>
    /// <exception cref="IOException">The input cannot be read.</exception>
    public void Run(Stream input, CancellationToken cancellation = default)
    {
        using var reader = new PipeReader(input);
        try
        {
            while (reader.Take(cancellation) is byte[] block)
            {
                Accept(block);
                for (double seconds = 0; seconds < MostSecondsATurn && reader.TakeWaiting() is byte[] more;)
                    seconds += Accept(more);
                Advance();
                SayHowFarBehind(reader.Waiting);
            }

            sound.Finish();
        }
        catch (OperationCanceledException)
        {
            // What was heard so far is finished below.
        }

        if (stream is null)
            return;
        stream.Finish();
        Advance();
    }

    // Returns the seconds that came in.
    private double Accept(byte[] block)
    {
        ReadOnlySpan<float> more = sound.Accept(block);
        if (sound.SampleRate == 0)
            return 0;
        stream ??= model.Open(sound.SampleRate);
        started = started == 0 ? Stopwatch.GetTimestamp() : started;
        samples += more.Length;
        stream.Accept(more);
        return (double)more.Length / sound.SampleRate;
    }

    private void Advance()
    {
        if (stream is null)
            return;
        stream.Advance();
        while (stream.TryTake(out Passage? passage))
        {
            display.Final(passage);
            shown = ("", 0);
        }

        (string Text, int Stable) now = (stream.Text, stream.Stable);
        if (now == shown)
            return;
        shown = now;
        display.Partial(stream);
    }

    // A recording that is piped in waits in the pipe without being late; after a microphone's silence little is waiting.
    private void SayHowFarBehind(long waitingBytes)
    {
        if (stream is null || waitingBytes == 0)
            return;
        double late = Stopwatch.GetElapsedTime(started).TotalSeconds - (double)samples / sound.SampleRate, behind = Math.Min(late, (double)waitingBytes / sound.BytesPerSecond);
        if (behind < TolerableDelay || (warned != 0 && Stopwatch.GetElapsedTime(warned) < BetweenWarnings))
            return;
        warned = Stopwatch.GetTimestamp();
        messages.WriteLine($"ds2: {behind:F1} s behind the sound: this machine is too slow for the model, or busy with something else");
    }
}
