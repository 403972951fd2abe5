using Ds2.Runtime.Data;
using Ds2.Runtime.Text;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary>Reads the corpora that a command names: shows on stderr how it goes on, and which utterances are left out.</summary>
internal static class CorpusInput
{
    /// <summary>Reads a corpus.</summary>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="alphabet">Makes labels of its texts.</param>
    /// <param name="skipBad">Whether utterances that cannot be used are left out.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <param name="allowRepeated">Whether a recording may be listed several times.</param>
    public static Corpus Load(string manifest, Alphabet alphabet, bool skipBad, CancellationToken cancellation, bool allowRepeated = false)
    {
        Corpus corpus = WorkReport.RunBriefly(progress =>
            Corpus.Load(manifest, alphabet, new CorpusOptions { SkipFaults = skipBad, AllowRepeated = allowRepeated, Progress = progress }, cancellation));
        CorpusFaultReport.Note(corpus);
        return corpus;
    }
}
