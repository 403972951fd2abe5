using TorchSharp;
using static TorchSharp.torch.nn;

namespace Ds2.Bench.Peers;

/// <summary>A batch's texts as libtorch's CTC takes them.</summary>
internal sealed class TorchTexts : IDisposable
{
    private readonly torch.Tensor targets;
    private readonly torch.Tensor targetLengths;
    private readonly torch.Tensor frames;

    /// <summary>Texts of one length, on utterances of one length.</summary>
    public TorchTexts(int[][] texts, int outputFrames)
    {
        targets = torch.tensor([.. texts.SelectMany(text => text).Select(label => (long)label)], [texts.Length, texts[0].Length]);
        targetLengths = torch.tensor([.. texts.Select(text => (long)text.Length)]);
        frames = torch.tensor([.. texts.Select(_ => (long)outputFrames)]);
    }

    /// <summary>Texts of any lengths, one behind the other, on utterances of any lengths.</summary>
    public TorchTexts(int[][] texts, int[] outputFrames)
    {
        targets = torch.tensor([.. texts.SelectMany(text => text).Select(label => (long)label)]);
        targetLengths = torch.tensor([.. texts.Select(text => (long)text.Length)]);
        frames = torch.tensor([.. outputFrames.Select(count => (long)count)]);
    }

    /// <summary>The loss of log-probabilities [T, N, C].</summary>
    public torch.Tensor Loss(torch.Tensor logProbabilities, Reduction reduction) =>
        functional.ctc_loss(logProbabilities, targets, frames, targetLengths, blank: 0, zero_infinity: true, reduction);

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        targets.Dispose();
        targetLengths.Dispose();
        frames.Dispose();
    }
}
