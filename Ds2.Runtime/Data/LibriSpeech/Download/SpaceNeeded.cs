namespace Ds2.Runtime.Data.LibriSpeech.Download;

/// <summary>The disk space that a download takes on its way.</summary>
internal static class SpaceNeeded
{
    /// <summary>An unpacked split, over its archive: FLAC does not compress further; what is added are the last blocks of files.</summary>
    private const double Unpacked = 1.05;

    /// <summary>WAV and text files over the archive: LibriSpeech's speech takes 56 % of PCM's size as FLAC; two files an utterance round up to blocks.</summary>
    private const double Converted = 2.0;

    /// <summary>Bytes needed beyond those that lie there: the rest of all archives, all converted files, and one split unpacked, as splits are unpacked one
    /// after the other.</summary>
    /// <param name="archives">Of each its length, and how much of it is there.</param>
    public static long Of(IEnumerable<(long Size, long There)> archives)
    {
        double rest = 0, converted = 0, unpacked = 0;
        foreach ((long size, long there) in archives)
        {
            rest += Math.Max(size - there, 0);
            converted += Converted * size;
            unpacked = Math.Max(unpacked, Unpacked * size);
        }
        return (long)(rest + converted + unpacked);
    }
}
