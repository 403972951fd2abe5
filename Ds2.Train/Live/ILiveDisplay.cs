using Ds2.Runtime.Recognition.Streaming;

namespace Ds2.Train.Live;

/// <summary>Shows what a live stream's recognizer hears.</summary>
internal interface ILiveDisplay
{
    /// <summary>The text since the last passage's end has changed.</summary>
    void Partial(StreamingRecognizer stream);

    /// <summary>A passage is over.</summary>
    void Final(Passage passage);
}
